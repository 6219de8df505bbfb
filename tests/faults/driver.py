"""Two servers, a relay before each, and a copy between them that is disturbed: struck once, then run again.

A fault is drawn with its moment from a seed. What became of it is told by `shop.look`, by exit codes, and by what the
program said; the program's own proof is believed only where both agree.
"""

import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
from program import STEPS, Where
from psycopg import sql
from shop import OWNER, READER, REFILL, SHOP, Seen, look

from pgcutover import errors
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority

PROGRAM = Path(__file__).with_name("program.py")
LIMIT_S = 120.0
"""For one attempt; one that takes longer hangs, and hanging is a failure."""
AGAIN = 4
POLL_S = 0.01
STALL_S = 3.0
PAUSE_FACTOR = 0.1
RESTART_S = 90.0
SOON_S = 0.05
DISK_MB = 700
DISK_SETTINGS = {"max_wal_size": "160MB", "min_wal_size": "80MB"}


class Outcome(StrEnum):
    """What became of one fault."""

    SURVIVED = "survived"
    REFUSED = "refused"
    LOST = "lost"
    UNCLEAR = "unclear"
    """Neither: it hung, or ended with a traceback, or with an error that tells nobody what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One attempt as it ended. `refusal` is the error, when one was told."""

    code: int
    said: str
    hung: bool = False

    @property
    def refusal(self) -> dict[str, Any]:
        lines = [line for line in self.said.splitlines() if line.startswith('{"class"')]
        return json.loads(lines[-1]) if lines else {}

    @property
    def clear(self) -> bool:
        """Whether a person knows what it was and what to do."""
        told = self.refusal
        kind = getattr(errors, str(told.get("class")), None)
        return (
            not self.hung
            and kind is not None
            and kind is not errors.PgcutoverError
            and self.code == kind.exit_code
            and bool(told["hint"])
            and "Traceback" not in self.said
        )


class Attempt:
    """The program at work in a process group of its own."""

    def __init__(self, where: Path, log: Path) -> None:
        self._log = log
        with log.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(where)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def until(self, line: str) -> bool:
        """Wait until a line begins so; False when the program ended without."""
        return self.wait_for(lambda: any(said.startswith(line) for said in self.said.splitlines()))

    def wait_for(self, holds: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
        """Wait until it holds; False when the program ended, or time was up, before."""
        deadline = time.monotonic() + limit_s
        while not holds():
            if self.over or time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def members(self, *marks: str) -> list[int]:
        """Processes of the group, of those the ones whose command line holds a mark; the leader is not among them."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if int(state[2]) != self.process.pid or int(entry.name) == self.process.pid or state[0] == "Z":
                    continue
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if not marks or any(mark in words for mark in marks):
                    found.append(int(entry.name))
        return found

    def ended(self) -> Told:
        """Wait for the end; what hangs is killed."""
        try:
            code = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return Told(code=self.process.returncode, said=self.said, hung=True)
        return Told(code=code, said=self.said)

    def kill(self) -> None:
        """The whole group, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One server, and the way to it."""

    name: str
    cluster: Cluster
    relay: Relay
    disk: Path | None = None
    """The small file system that its data is on, where this machine lets us make one."""

    def sql(self, database: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """As the superuser, past the relay."""
        with self.cluster.superuser(database) as session:
            session.execute("SET default_transaction_read_only = off")
            cursor = session.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def ready(self) -> None:
        """Bring it back to health: running, reachable, with room."""
        with suppress(RuntimeError):
            self.relay.resume()
            self.relay.slow(None)
            self.relay.refuse(False)
        deadline = time.monotonic() + RESTART_S
        while True:
            if not self.cluster.running:
                self.cluster.start()
            try:
                self.sql("postgres", "SELECT 1")
            except psycopg.OperationalError:
                # After a crash it accepts connections again by itself.
                assert time.monotonic() < deadline, f"the {self.name} did not come back"
                time.sleep(0.1)
            else:
                return


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a fault may touch: both sides, the databases of this run, the attempt that is at work."""

    source: Side
    target: Side
    database: str
    chance: random.Random
    attempt: Attempt
    again: Callable[[], Attempt]
    """Start the same command beside the first."""
    second: Told | None = None

    def side(self, name: str) -> Side:
        return self.source if name == "source" else self.target

    def backends(self, side: str, name: str = "pgcutover%") -> list[int]:
        """Sessions of the program's on a server, in random order."""
        rows = self.side(side).sql(
            "postgres",
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name LIKE %s ORDER BY pid",
            self.database,
            name,
        )
        return self.chance.sample([pid for (pid,) in rows], len(rows))

    def some(self, find: Callable[[], Sequence[int]], limit_s: float = 20.0) -> int | None:
        """One of those, as soon as there is one; None when the program ended without."""
        found: list[int] = []

        def look_again() -> bool:
            with suppress(psycopg.OperationalError):
                found[:] = find()
            return bool(found)

        self.attempt.wait_for(look_again, limit_s)
        return self.chance.choice(found) if found else None


Strike = Callable[[Scene], AbstractContextManager[bool]]
"""Does harm when entered; True when there was something to harm. What lasts ends when it is left, after the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`steps` are those in which it may strike, `weights` how often in each of all four."""

    name: str
    strike: Strike
    steps: tuple[str, ...] = STEPS
    changes_source: bool = False
    may_refuse: bool = False
    """It shows that the source is not fenced: to stop is right."""
    crashes_source: bool = False
    """A crash empties the source's own unlogged tables."""
    latest: float = 1.0
    """Up to which part of the step's usual time there is something to strike."""
    weights: tuple[int, ...] = (1, 5, 2, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    fault: str
    seed: int
    moment: str
    struck: bool
    outcome: Outcome
    attempts: tuple[Told, ...]
    detail: str = ""

    def __str__(self) -> str:
        codes = ", ".join(str(t.code) if not t.hung else "hung" for t in self.attempts)
        return f"{self.fault} seed {self.seed} {self.moment}: {self.outcome} after {codes} {self.detail}".rstrip()


@dataclass(slots=True, kw_only=True)
class Stage:
    """Both servers and the shop on the source, for any number of runs."""

    source: Side
    target: Side
    directory: Path
    password: Secret
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step takes when nothing happens."""

    def rehearse(self) -> Result:
        """A run without a fault: how long each step takes."""
        with self.databases() as database:
            attempt = self._started(database, "rehearsal")
            told = attempt.ended()
            assert 0 == told.code, told.said
            for line in told.said.splitlines():
                if line.startswith("ended "):
                    _, step, seconds = line.split()
                    self.seconds[step] = float(seconds)
            return self._judged(Fault(name="none", strike=_nothing), 0, "never", True, (told,), database)

    def run(self, fault: Fault, seed: int) -> Result:
        """One fault at a moment of the seed's, then the same command until it says "same" or keeps refusing."""
        chance = random.Random(f"{fault.name} {seed}")
        weights = [w for step, w in zip(STEPS, fault.weights, strict=True) if step in fault.steps]
        (step,) = chance.choices(fault.steps, weights)
        delay_s = chance.uniform(0, fault.latest * self.seconds[step])
        result = self._run(fault, seed, chance, step, delay_s)
        # The machine was quicker than at the rehearsal.
        while not result.struck and result.outcome is Outcome.SURVIVED and delay_s > SOON_S:
            delay_s /= 3
            result = self._run(fault, seed, chance, step, delay_s)
        return result

    def _run(self, fault: Fault, seed: int, chance: random.Random, step: str, delay_s: float) -> Result:
        with self.databases() as database:
            if fault.crashes_source:
                self.source.sql(database, "ALTER TABLE shop.cache SET LOGGED")
            before = look(self.source.cluster, database)
            first, struck = self._struck(fault, chance, step, delay_s, database)
            attempts = [first]
            while attempts[-1].code != 0 and len(attempts) < AGAIN and not _settled(attempts):
                attempts.append(self._plain(database))
            return self._judged(fault, seed, f"{delay_s:.2f} s into {step}", struck, tuple(attempts), database, before)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _struck(
        self, fault: Fault, chance: random.Random, step: str, delay_s: float, database: str
    ) -> tuple[Told, bool]:
        """The first attempt, and whether there was something to strike."""
        attempt = self._started(database, fault.name)
        scene = Scene(
            source=self.source,
            target=self.target,
            database=database,
            chance=chance,
            attempt=attempt,
            again=lambda: self._started(database, "second"),
        )
        try:
            struck = attempt.until(f"began {step}")
            attempt.wait_for(lambda: False, delay_s)
            if struck and not attempt.over:
                with fault.strike(scene) as harmed:
                    struck = harmed
                    told = attempt.ended()
            else:
                struck, told = False, attempt.ended()
        finally:
            self._left_alone(attempt)
            self.source.ready()
            self.target.ready()
        if scene.second is not None and scene.second.code != 0:
            told = scene.second
        return told, struck

    def _plain(self, database: str) -> Told:
        attempt = self._started(database, "again")
        try:
            return attempt.ended()
        finally:
            self._left_alone(attempt)

    def _left_alone(self, attempt: Attempt) -> None:
        """A dead runner's programs may still be at work, and are left so: the next attempt must cope with them."""
        if not attempt.over:
            attempt.kill()

    def _started(self, database: str, name: str) -> Attempt:
        state = self.directory / database
        where = state / "where.json"
        if not where.exists():
            state.mkdir(mode=0o700)
            words = {
                "source": self._dsn(self.source, database).url().reveal(),
                "target": self._dsn(self.target, database).url().reveal(),
                "state": str(state),
                "programs": [str(binaries(16)), str(binaries(18))],
                "jobs": 2,
                "pause_factor": PAUSE_FACTOR,
                "stall_s": STALL_S,
            }
            where.touch(mode=0o600)
            where.write_text(json.dumps(words))
            Where.read(where)
        number = len(list(state.glob("*.log")))
        return Attempt(where, state / f"{number}-{name.replace(' ', '-')}.log")

    def _dsn(self, side: Side, database: str) -> Dsn:
        return Dsn(
            host="127.0.0.1",
            port=side.relay.port,
            user=OWNER,
            password=self.password,
            database=database,
            options=(("sslmode", "disable"),),
        )

    @contextmanager
    def databases(self) -> Iterator[str]:
        """A fresh source, a copy of the shop, and a fresh, empty target."""
        name = f"f{secrets.token_hex(5)}"
        # A crash of the source in an earlier run emptied the unlogged table of the shop itself.
        self.source.sql("shop", REFILL)
        self.source.sql("postgres", f"CREATE DATABASE {name} TEMPLATE shop OWNER {OWNER}")
        self.target.sql("postgres", f"CREATE DATABASE {name} OWNER {OWNER}")
        try:
            yield name
        finally:
            for side in (self.source, self.target):
                side.ready()
                side.sql("postgres", f"ALTER ROLE {OWNER} RESET ALL")
                side.sql("postgres", f"ALTER ROLE {OWNER} CONNECTION LIMIT -1")
                side.sql("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def _judged(
        self,
        fault: Fault,
        seed: int,
        moment: str,
        struck: bool,
        attempts: tuple[Told, ...],
        database: str,
        before: Seen | None = None,
    ) -> Result:
        source, last = look(self.source.cluster, database), attempts[-1]
        # A target that was given up on may lack anything.
        unlike = source.differences(look(self.target.cluster, database)) if last.code == 0 else []
        touched = before.differences(source) if before is not None and not fault.changes_source else []
        if touched:
            outcome, detail = Outcome.LOST, f"the source was touched: {touched[:5]}"
        elif last.code == 0:
            outcome = Outcome.LOST if unlike else Outcome.SURVIVED
            detail = f"said same, and: {unlike[:5]}" if unlike else ""
        elif all(t.clear for t in attempts if t.code > 0 or t.hung):
            outcome, detail = Outcome.REFUSED, f"{last.refusal['class']}: {last.refusal['message']}"
        else:
            outcome, detail = Outcome.UNCLEAR, last.said[-1500:]
        return Result(
            fault=fault.name,
            seed=seed,
            moment=moment,
            struck=struck,
            outcome=outcome,
            attempts=attempts,
            detail=detail,
        )


def _settled(attempts: Sequence[Told]) -> bool:
    """Whether one more attempt would tell nothing new: it hung, or the same refusal came twice."""
    return attempts[-1].hung or (len(attempts) > 1 and attempts[-1].refusal == attempts[-2].refusal != {})


@contextmanager
def _nothing(_: Scene) -> Iterator[bool]:
    yield True


@contextmanager
def stage(directory: Path, ca: CertificateAuthority) -> Iterator[Stage]:
    """Both servers, up until the block ends. `directory` is one that the servers' user can reach."""
    password = Secret(secrets.token_hex(16))
    cert, key = ca.directory / "server.pem", ca.directory / "server.key"
    if not cert.exists():
        cert, key = ca.issue()
    with ExitStack() as stack:
        state = directory / "runs"
        state.mkdir(mode=0o700)
        disk = stack.enter_context(_small_disk(directory / "disk"))
        sides = []
        for name, major in (("source", 16), ("target", 18)):
            place = disk if disk is not None and name == "target" else directory
            cluster = Cluster(place / f"faults{major}", major, settings=DISK_SETTINGS)
            cluster.initdb()
            cluster.start()
            stack.callback(cluster.stop, "immediate")
            relay = Relay(cluster.port, cert, key, require_tls=False)
            relay.start()
            stack.callback(relay.stop)
            sides.append(Side(name=name, cluster=cluster, relay=relay, disk=disk if place is disk else None))
            _roles(cluster, password)
        made = Stage(source=sides[0], target=sides[1], directory=state, password=password)
        made.source.sql("postgres", f"CREATE DATABASE shop OWNER {OWNER}")
        made.source.sql("shop", SHOP)
        yield made


def _roles(cluster: Cluster, password: Secret) -> None:
    """As Heroku's and RDS's are: no superuser, but members of what lets them look and end sessions."""
    with cluster.superuser() as session:
        session.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(OWNER), sql.Literal(password.reveal()))
        )
        session.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(READER)))
        session.execute(
            sql.SQL("GRANT pg_monitor, pg_read_all_settings, pg_read_all_stats, pg_signal_backend TO {}").format(
                sql.Identifier(OWNER)
            )
        )


@contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    """A file system that can be filled; None where we may not mount one."""
    if os.geteuid() != 0:
        yield None
        return
    place.mkdir(mode=0o755)
    options = f"size={DISK_MB}m,mode=0755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        yield None
        return
    try:
        yield place
    finally:
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=True)
