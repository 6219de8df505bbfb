"""The copy as `migrate` does it, in a process of its own that can be killed: definitions, rows, the rest, the proof.

`python program.py WHERE.json`: joined of the same parts and in the same way as app/world.py joins them, with a real
journal and a real claim, so that the same command again goes on. Between Heroku and AWS nothing is left out but Heroku
and AWS. Exits 0 when the proof says "same", else with the error's code; the error's class, text and hint go to stderr
as one line of JSON, and every step that begins or ends as a line before it.
"""

import json
import os
import signal
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pgcutover.app.patience import patiently
from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.copying.crew import Crew, processes
from pgcutover.edges.archive import open_archive
from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.claim import Claim
from pgcutover.edges.content import ContentProof
from pgcutover.edges.copyfinish import CopyFinish
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.copystream import carry
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.gate import Gate
from pgcutover.edges.journal import SqliteJournal
from pgcutover.edges.postgres import Server
from pgcutover.edges.runrecord import cas_sql
from pgcutover.errors import PgcutoverError
from pgcutover.facts.names import Dsn
from pgcutover.running.journal import Event
from pgcutover.running.runner import Runner, SilentListener
from pgcutover.running.state import Direction
from pgcutover.steps.copy import Copy, restock
from pgcutover.steps.finish import Finish
from pgcutover.steps.ports_copy import Copier
from pgcutover.steps.schema import Schema
from pgcutover.steps.verify import Verify

RUN = "faults-1"
STEPS = ("schema", "copy", "finish", "verify")
TARGET_SETTINGS = {"default_transaction_read_only": "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the driver writes down for the program."""

    source: str
    target: str
    state: str
    programs: tuple[str, ...]
    jobs: int
    pause_factor: float
    """How long a pause before another try is, of what it would be."""
    stall_s: float
    """How long a silent connection is believed."""

    @classmethod
    def read(cls, path: Path) -> "Where":
        words: dict[str, Any] = json.loads(path.read_text())
        return cls(**{**words, "programs": tuple(words["programs"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the four steps touch."""

    copier: Copier
    target: Gate
    proof: ContentProof
    notes: "Notes"


class Notes:
    """Of this attempt: the proof notes what it could not verify, for a person to accept."""

    def __init__(self) -> None:
        self._noted: dict[str, list[Any]] = {}

    def note(self, kind: str, payload: Any) -> None:
        self._noted.setdefault(kind, []).append(payload)

    def notes(self, kind: str) -> tuple[Any, ...]:
        return tuple(self._noted.get(kind, ()))


class Quick:
    """Time in which pauses are shorter."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    @staticmethod
    def monotonic() -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds * self._factor)


class Told(SilentListener):
    """Every beginning and end, for the driver, which strikes at some moment after one."""

    def started(self, event: Event) -> None:
        say(f"began {event.step}")

    def finished(self, event: Event, seconds: float) -> None:
        say(f"ended {event.step} {seconds:.3f}")

    def failed(self, event: Event) -> None:
        say(f"failed {event.step} {event.error}")

    def adopted(self, event: Event) -> None:
        say(f"adopted {event.step}")


def say(text: str) -> None:
    print(" ".join(text.split()), file=sys.stderr, flush=True)


def carry_watchfully(job: ChunkJob, *, stall_s: float) -> tuple[Copied, ...]:
    """A worker's work, with less belief in silence than there is by default."""
    return carry(replace(job, stall_s=stall_s))


def main(where: Where) -> None:
    with closing(SqliteJournal(Path(where.state) / "journal.db")) as journal:
        if not journal.runs():
            journal.open_run(RUN, "0" * 64, {}, "the driver")
        clock = Quick(where.pause_factor)
        # As every command: what another process left is taken over first; then the steps, patiently.
        source = Server(dsn=Dsn.parse(where.source), side="source")
        target = Server(dsn=Dsn.parse(where.target), side="target", settings=TARGET_SETTINGS)
        claim = Claim.acquire(source, target, run_id=RUN, holder="the driver")
        say("claimed")
        try:
            patiently(lambda: go_on(where, journal, claim, source, target), clock)
        finally:
            claim.release()
    say("same")


def go_on(where: Where, journal: SqliteJournal, claim: Claim, source: Server, target: Server) -> None:
    inventory = read_inventory(source)
    settings = tuple(s for s in inventory.settings if not s.name.endswith(("_timeout", "_limit")))
    finish = Finish(
        grants=inventory.grants,
        settings=settings,
        roles=((inventory.owner, target.dsn.user),),
        app_role=target.dsn.user,
    )
    steps = (Schema(), Copy(), finish, Verify())

    def guard(world: World, step: str, _: Direction) -> None:
        """As app/guards.py, without Heroku."""
        claim.still_ours()
        if step in ("finish", "verify"):
            restock(world)

    Runner(steps, journal, RUN, joined(where, claim, source, target), (guard,), Told()).forward()


def joined(where: Where, claim: Claim, source: Server, target: Server) -> World:
    claimed = cas_sql(RUN, claim.epoch)
    copy_target = CopyTarget(server=target, run_id=RUN, claim=claimed)
    carrying = partial(carry_watchfully, stall_s=where.stall_s)
    return World(
        copier=Copier(
            run_id=RUN,
            epoch=claim.epoch,
            claim=claimed,
            source=CopySource(server=source),
            target=copy_target,
            finish=CopyFinish(target=copy_target),
            definitions=open_archive(
                Path(where.state) / "definitions.dump",
                source,
                target,
                directories=[Path(p) for p in where.programs],
                settings=TARGET_SETTINGS,
            ),
            crew=lambda: Crew(lambda: processes(where.jobs), carrying, size=where.jobs),
            jobs=where.jobs,
            builders=where.jobs,
            source_dsn=source.dsn,
            target_dsn=target.dsn,
        ),
        target=Gate(target, claim_sql=claimed),
        proof=ContentProof(source, target, directory=Path(where.state) / "salvage", jobs=where.jobs),
        notes=Notes(),
    )


if __name__ == "__main__":
    # A shell that starts its commands in the background lets them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(Where.read(Path(sys.argv[1])))
    except PgcutoverError as error:
        refusal = {"class": type(error).__name__, "message": error.message, "hint": error.hint}
        say(json.dumps({**refusal, "notes": getattr(error, "__notes__", [])}))
        # As faces/cli.py: with the code of the error's class.
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        os._exit(130)
