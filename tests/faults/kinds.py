"""The faults: what goes wrong, in one function each. See driver.Fault for how they are drawn and lifted."""

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg
from driver import STALL_S, Fault, Scene, Strike
from psycopg import sql
from shop import OWNER

WORKER, RESTORE = "spawn_main", "pg_restore"
TABLES = ("big", "users", "orders_new", "items", "heap", "small", "cache")
CHANGED = ("big", "users", "heap")


# -- processes of ours ---------------------------------------------------------------------------------------------


@contextmanager
def kill_runner(scene: Scene) -> Iterator[bool]:
    """kill -9 of pgcutover alone; its workers and pg_restore are orphans."""
    scene.attempt.process.kill()
    yield True


@contextmanager
def power_cut(scene: Scene) -> Iterator[bool]:
    """kill -9 of pgcutover and all it started."""
    scene.attempt.kill()
    yield True


@contextmanager
def interrupt(scene: Scene) -> Iterator[bool]:
    """Ctrl-C: the whole group hears it."""
    with suppress(ProcessLookupError):
        os.killpg(scene.attempt.process.pid, signal.SIGINT)
    yield True


@contextmanager
def kill_worker(scene: Scene) -> Iterator[bool]:
    yield _killed(scene.some(lambda: scene.attempt.members(WORKER)))


@contextmanager
def kill_restore(scene: Scene) -> Iterator[bool]:
    yield _killed(scene.some(lambda: scene.attempt.members(RESTORE)))


@contextmanager
def kill_runner_amid_restore(scene: Scene) -> Iterator[bool]:
    """P11: the runner dies while pg_restore works, which goes on without it."""
    found = scene.some(lambda: scene.attempt.members(RESTORE)) is not None
    scene.attempt.process.kill()
    yield found


@contextmanager
def freeze_and_replace(scene: Scene) -> Iterator[bool]:
    """T3: the runner and all it started stand still, another takes over and finishes, then the first goes on."""
    group = scene.attempt.process.pid
    os.killpg(group, signal.SIGSTOP)
    # What the server does when the machine does not answer any more.
    for pid in scene.backends("source", "pgcutover lock"):
        scene.source.sql("postgres", "SELECT pg_terminate_backend(%s, 5000)", pid)
    second = scene.again()
    scene.second = second.ended()
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)
    yield True


def _killed(pid: int | None) -> bool:
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return True


# -- servers -------------------------------------------------------------------------------------------------------


def kill_backend(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """The server restarts itself: every session is lost."""
        yield _killed(scene.some(lambda: scene.backends(side)))

    return strike


def end_backend(side: str, name: str = "pgcutover%") -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        pid = scene.some(lambda: scene.backends(side, name))
        if pid is not None:
            scene.side(side).sql("postgres", "SELECT pg_terminate_backend(%s)", pid)
        yield pid is not None

    return strike


def restart(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """Immediate stop, as a crash; back after a moment."""
        cluster = scene.side(side).cluster
        cluster.stop("immediate")
        time.sleep(scene.chance.uniform(0, 1.5))
        cluster.start()
        yield True

    return strike


# -- the network ---------------------------------------------------------------------------------------------------


def reset(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        scene.side(side).relay.cut()
        yield True

    return strike


def reset_amid_bytes(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        scene.side(side).relay.cut_after(scene.chance.randrange(1, 8_000_000))
        yield True

    return strike


def hang_up(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """A proxy that closes politely in the middle of a message."""
        scene.side(side).relay.hang_up()
        yield True

    return strike


def stall(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """Silence, shorter or longer than what is believed."""
        relay = scene.side(side).relay
        relay.stall()
        scene.attempt.wait_for(lambda: False, scene.chance.uniform(0.5, STALL_S * 2.5))
        relay.resume()
        yield True

    return strike


def slow(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        relay = scene.side(side).relay
        relay.slow(scene.chance.choice([500_000, 2_000_000, 5_000_000]))
        scene.attempt.wait_for(lambda: False, 10.0)
        relay.slow(None)
        yield True

    return strike


def unreachable(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """Every connection is reset, and for a while no new one is taken."""
        relay = scene.side(side).relay
        relay.refuse(True)
        relay.cut()
        scene.attempt.wait_for(lambda: False, scene.chance.uniform(0.2, 2.0))
        relay.refuse(False)
        yield True

    return strike


# -- what a person or a program sets -------------------------------------------------------------------------------


def role_setting(side: str, name: str, value: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """For sessions that begin from now on; those that are open are cut. One more process lives with it from its
        start; then it is taken away, for a setting that only one side has is rightly called a difference."""
        scene.side(side).sql("postgres", f"ALTER ROLE {OWNER} SET {name} = '{value}'")
        scene.side(side).relay.cut()
        yield True
        scene.second = scene.again().ended()
        scene.side(side).sql("postgres", f"ALTER ROLE {OWNER} RESET {name}")

    return strike


def connection_limit(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        scene.side(side).sql("postgres", f"ALTER ROLE {OWNER} CONNECTION LIMIT {scene.chance.randrange(1, 4)}")
        yield True
        scene.side(side).sql("postgres", f"ALTER ROLE {OWNER} CONNECTION LIMIT -1")

    return strike


# -- locks and vacuum ----------------------------------------------------------------------------------------------


def lock(side: str, mode: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """Somebody holds a table for a while."""
        table = scene.chance.choice(TABLES)
        with scene.side(side).cluster.superuser(scene.database) as session, session.transaction():
            session.execute("SET LOCAL lock_timeout = '5s'")
            try:
                session.execute(sql.SQL("LOCK TABLE shop.{} IN {} MODE").format(sql.Identifier(table), sql.SQL(mode)))
            except (psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable):
                yield False
                return
            scene.attempt.wait_for(lambda: False, scene.chance.uniform(1.0, 5.0))
        yield True

    return strike


def vacuum(side: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[bool]:
        """As an anti-wraparound vacuum: every page of every table, again and again, and it yields to nobody."""
        done = threading.Event()
        rounds = []

        def work() -> None:
            with suppress(psycopg.Error), scene.side(side).cluster.superuser(scene.database) as session:
                session.execute("SET default_transaction_read_only = off")
                while not done.is_set():
                    session.execute("VACUUM (FREEZE, DISABLE_PAGE_SKIPPING, ANALYZE)")
                    rounds.append(1)

        with ExitStack() as stack:
            thread = threading.Thread(target=work)
            thread.start()
            stack.callback(thread.join)
            stack.callback(done.set)
            yield True

    return strike


# -- the disk ------------------------------------------------------------------------------------------------------


def _take(file: int, size: int) -> None:
    """So much of a disk, or what there is: the server writes meanwhile, and a file's own bookkeeping takes room too."""
    while True:
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as full:
            if full.errno != errno.ENOSPC or size < 2**20:
                raise
            size -= 2**20
        else:
            return


@contextmanager
def disk_full(scene: Scene) -> Iterator[bool]:
    """A file takes all room but a few MB of the target's disk, until the attempt ended."""
    disk = scene.target.disk
    if disk is None:
        yield False
        return
    filler = disk / "filler"
    room = os.statvfs(disk)
    left = scene.chance.randrange(0, 12 * 1024 * 1024)
    size = max(1, room.f_bavail * room.f_frsize - left)
    with filler.open("wb") as file:
        _take(file.fileno(), size)
    try:
        yield True
    finally:
        filler.unlink()


# -- a source that is not fenced -----------------------------------------------------------------------------------


@contextmanager
def ddl(scene: Scene) -> Iterator[bool]:
    """Somebody changes a definition on the source."""
    table = scene.chance.choice(CHANGED)
    change = scene.chance.choice(
        [
            f"ALTER TABLE shop.{table} ADD COLUMN added integer DEFAULT 7",
            f"CREATE INDEX added ON shop.{table} ((1))",
            f"ALTER TABLE shop.{table} ADD CONSTRAINT added CHECK (true)",
            "CREATE TABLE shop.added (id integer)",
            "ALTER TABLE shop.users ALTER COLUMN name SET DEFAULT 'nobody'",
        ]
    )
    scene.source.sql(scene.database, f"SET ROLE {OWNER}; {change}")
    yield True


@contextmanager
def truncate(scene: Scene) -> Iterator[bool]:
    """T7: somebody empties a table, and perhaps fills it again."""
    table = scene.chance.choice(["heap", "big", "items"])
    scene.source.sql(scene.database, f"TRUNCATE shop.{table}")
    if table == "heap" and scene.chance.random() < 0.5:
        scene.source.sql(scene.database, "INSERT INTO shop.heap VALUES (1, 'new')")
    yield True


@contextmanager
def rewrite(scene: Scene) -> Iterator[bool]:
    """T7: a rewrite of a table's files; its rows stay the same."""
    scene.source.sql(scene.database, f"VACUUM FULL shop.{scene.chance.choice(CHANGED)}")
    yield True


@contextmanager
def write(scene: Scene) -> Iterator[bool]:
    """The fence leaks: one row is written in the middle."""
    where = scene.chance.randrange(1, 10_000)
    scene.source.sql(scene.database, f"UPDATE shop.users SET name = 'leaked' WHERE id = {where}")
    yield True


AT_ROWS = ("copy",)
FAULTS: tuple[Fault, ...] = (
    Fault(name="kill -9 pgcutover", strike=kill_runner),
    Fault(name="power cut", strike=power_cut),
    Fault(name="ctrl-c", strike=interrupt),
    Fault(name="kill -9 worker", strike=kill_worker, steps=AT_ROWS, latest=0.5),
    Fault(name="kill -9 pg_restore", strike=kill_restore, steps=("schema", "copy"), latest=0.7),
    Fault(
        name="kill -9 pgcutover amid pg_restore", strike=kill_runner_amid_restore, steps=("schema", "copy"), latest=0.7
    ),
    Fault(name="freeze and replace", strike=freeze_and_replace),
    Fault(name="kill -9 source backend", strike=kill_backend("source"), crashes_source=True),
    Fault(name="kill -9 target backend", strike=kill_backend("target")),
    Fault(name="end source backend", strike=end_backend("source")),
    Fault(name="end target backend", strike=end_backend("target")),
    Fault(name="end snapshot holder", strike=end_backend("source", "pgcutover snapshot"), steps=AT_ROWS, latest=0.5),
    Fault(name="restart source", strike=restart("source"), crashes_source=True),
    Fault(name="restart target", strike=restart("target")),
    Fault(name="reset source network", strike=reset("source")),
    Fault(name="reset target network", strike=reset("target")),
    Fault(name="reset amid source bytes", strike=reset_amid_bytes("source")),
    Fault(name="reset amid target bytes", strike=reset_amid_bytes("target")),
    Fault(name="hang up source network", strike=hang_up("source")),
    Fault(name="hang up target network", strike=hang_up("target")),
    Fault(name="stall source network", strike=stall("source")),
    Fault(name="stall target network", strike=stall("target")),
    Fault(name="slow source network", strike=slow("source"), steps=AT_ROWS),
    Fault(name="slow target network", strike=slow("target"), steps=AT_ROWS),
    Fault(name="source unreachable", strike=unreachable("source")),
    Fault(name="target unreachable", strike=unreachable("target")),
    Fault(name="source statement_timeout", strike=role_setting("source", "statement_timeout", "20ms")),
    Fault(name="target statement_timeout", strike=role_setting("target", "statement_timeout", "20ms")),
    Fault(
        name="source idle_in_transaction_session_timeout",
        strike=role_setting("source", "idle_in_transaction_session_timeout", "20ms"),
    ),
    Fault(
        name="target idle_in_transaction_session_timeout",
        strike=role_setting("target", "idle_in_transaction_session_timeout", "20ms"),
    ),
    Fault(name="target transaction_timeout", strike=role_setting("target", "transaction_timeout", "20ms")),
    Fault(name="source connection limit", strike=connection_limit("source")),
    Fault(name="target connection limit", strike=connection_limit("target")),
    Fault(name="lock on source table", strike=lock("source", "ACCESS EXCLUSIVE")),
    Fault(name="lock on target table", strike=lock("target", "ACCESS EXCLUSIVE"), steps=("copy", "finish", "verify")),
    Fault(name="vacuum freeze on source", strike=vacuum("source")),
    Fault(name="vacuum freeze on target", strike=vacuum("target"), steps=("copy", "finish", "verify")),
    Fault(name="target disk full", strike=disk_full, steps=("schema", "copy", "finish")),
    Fault(name="DDL on source", strike=ddl, changes_source=True, may_refuse=True),
    Fault(name="TRUNCATE on source", strike=truncate, changes_source=True, may_refuse=True),
    Fault(name="VACUUM FULL on source", strike=rewrite, may_refuse=True),
    Fault(name="write on source", strike=write, changes_source=True, may_refuse=True),
)
