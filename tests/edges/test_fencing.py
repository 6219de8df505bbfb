"""The fence of a source, on real servers: what it stops, what it lets through, and that it goes without a trace."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest

from fenced_database import DyingServer, Fenced, MeddledServer, fenced_database
from pgcutover.edges.fence_state import undo_sql
from pgcutover.edges.fencing import SETTLE_LIMIT_S, HeldSource, lower_stored_fence
from pgcutover.edges.runrecord import drop_records
from pgcutover.errors import FenceError, SourceError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster, binaries


@pytest.fixture(params=[16, 18])
def database(request: pytest.FixtureRequest) -> Iterator[Fenced]:
    """A filled database on each version."""
    with fenced_database(request.getfixturevalue(f"cluster{request.param}")) as found:
        yield found


@pytest.fixture
def database16(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as found:
        yield found


@pytest.fixture
def held(database: Fenced) -> Iterator[HeldSource]:
    source = HeldSource(database.server)
    yield source
    source.close()


@pytest.fixture
def held16(database16: Fenced) -> Iterator[HeldSource]:
    source = HeldSource(database16.server, lock_limit_s=4)
    yield source
    source.close()


WRITES = {
    "the default": "INSERT INTO items (name) VALUES ('x')",
    "insert": "BEGIN READ WRITE; INSERT INTO items (name) VALUES ('x'); COMMIT",
    "update": "BEGIN READ WRITE; UPDATE items SET name = 'x'; COMMIT",
    "delete": "BEGIN READ WRITE; DELETE FROM items; COMMIT",
    "truncate": "BEGIN READ WRITE; TRUNCATE items; COMMIT",
    "upsert": "BEGIN READ WRITE; INSERT INTO parent VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2; COMMIT",
    "partition": "BEGIN READ WRITE; INSERT INTO events_2025 VALUES (1000, '2025-06-01'); COMMIT",
    "root": "BEGIN READ WRITE; INSERT INTO events VALUES (1000, '2025-06-01'); COMMIT",
    "child": "BEGIN READ WRITE; INSERT INTO child VALUES (1); COMMIT",
    "view": "BEGIN READ WRITE; UPDATE items_view SET name = 'x'; COMMIT",
    "definer": "BEGIN READ WRITE; SELECT add_item('x'); COMMIT",
    "column": "BEGIN READ WRITE; UPDATE billing.invoices SET total = 1; COMMIT",
    "sequence": "BEGIN READ WRITE; SELECT nextval('numbers'); COMMIT",
    "setval": "BEGIN READ WRITE; SELECT setval('billing.invoices_id_seq', 1); COMMIT",
    "new table": "BEGIN READ WRITE; CREATE TABLE public.late (id integer); COMMIT",
    "new schema": "BEGIN READ WRITE; CREATE SCHEMA late; COMMIT",
}


def impatient(dsn: Dsn) -> "psycopg.Connection[Any]":
    """A session that waits for no lock."""
    options = "-c lock_timeout=50 -c default_transaction_read_only=off"
    return psycopg.connect(dsn.url().reveal(), options=options, autocommit=True)


@pytest.mark.parametrize("locked", [True, False])
def test_no_way_to_write_is_left(database: Fenced, held: HeldSource, locked: bool) -> None:
    """Owner and second credential are refused every kind of write, by default and when they ask for it."""
    held.raise_fence(held.read_fence())
    if not locked:
        held.close()
    for dsn in (database.owner, database.other):
        for what, statement in WRITES.items():
            # While the locks stand a write waits for them; afterwards it is refused at once.
            with impatient(dsn) as session:
                try:
                    session.execute(statement)
                except psycopg.Error:
                    continue
            pytest.fail(f"{what} got through as {dsn.user}")
    counts = "SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM events) + (SELECT count(*) FROM child)"
    assert 300 == database.one(counts)
    assert 100 == database.one("SELECT last_value FROM numbers")


@pytest.mark.parametrize("statement", ["ALTER TABLE items ADD late integer", "DROP TABLE child", "DELETE FROM parent"])
def test_while_locked_not_even_a_superuser_changes_a_table(database: Fenced, held: HeldSource, statement: str) -> None:
    """Owners keep the right to alter and drop, superusers every right: the locks stop both."""
    held.raise_fence(held.read_fence())
    with database.superuser() as session, pytest.raises(psycopg.errors.LockNotAvailable):
        session.execute(f"SET lock_timeout = 50; {statement}")


def test_reading_and_copying_go_on(database: Fenced, held: HeldSource) -> None:
    """Behind the fence SELECT, COPY TO and pg_dump's own lock work, for us and for others."""
    held.raise_fence(held.read_fence())
    with psycopg.connect(database.other.url().reveal()) as session:
        assert (200,) == session.execute("SELECT count(*) FROM items").fetchone()
    with database.server.session("copy") as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE public.items IN ACCESS SHARE MODE")
        with session.cursor() as cursor, cursor.copy("COPY public.items TO STDOUT") as copy:
            assert 200 == sum(1 for _ in copy.rows())


def test_everything_is_put_back_exactly(database: Fenced, held: HeldSource) -> None:
    """Grantees, grantors, columns, grant options and the database's settings are the same as before the fence."""
    database.run(f'ALTER DATABASE "{database.owner.database}" SET default_transaction_read_only = off')
    database.run(f"ALTER DATABASE \"{database.owner.database}\" SET search_path = 'billing', 'public'")
    before = database.state()
    recorded = held.read_fence()
    held.raise_fence(recorded)
    assert before != database.state()
    held.lower_fence(recorded)
    assert before == database.state()
    assert held.fence_status(recorded).absent
    held.lower_fence(recorded)
    assert before == database.state()


def test_a_fence_found_standing_knows_what_was_before(database16: Fenced, held16: HeldSource) -> None:
    """Without its journal a run learns from the source what to put back, instead of recording the fence itself."""
    before = database16.state()
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    assert recorded == held16.read_fence()
    held16.lower_fence(held16.read_fence())
    assert before == database16.state()


@pytest.mark.parametrize("before", [None, "off", "on"])
def test_raised_again_after_its_default_was_reset(database16: Fenced, held16: HeldSource, before: str | None) -> None:
    """Somebody resets the default of a fence that stands: what is put back is still what was before the first time."""
    name = database16.owner.database
    if before:
        database16.run(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {before}')
    state = database16.state()
    for _ in range(2):
        held16.raise_fence(held16.read_fence())
        database16.run(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    held16.raise_fence(held16.read_fence())
    assert () == held16.leaks()
    held16.lower_fence(held16.read_fence())
    assert state == database16.state()


def test_a_person_with_psql_can_lower_it(database16: Fenced, held16: HeldSource) -> None:
    """The SQL kept on the source puts everything back when its owner runs it."""
    before = database16.state()
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    script = database16.one("SELECT undo_sql FROM pgcutover.fence")
    assert undo_sql(database16.server, recorded) == script
    with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
        session.execute(script)
    assert before == database16.state()
    assert held16.fence_status(recorded).absent


@pytest.mark.timeout(300)
def test_a_person_breaks_the_locks_of_a_machine_that_hangs(database16: Fenced, held16: HeldSource) -> None:
    """The SQL ends the session that still holds the locks, instead of waiting for it."""
    before = database16.state()
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
        session.execute(undo_sql(database16.server, recorded))
    with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
        session.execute("INSERT INTO items (name) VALUES ('again')")
    assert before == database16.state()
    with pytest.raises(FenceError, match="does not stand"):
        held16.keep_fence(recorded)


def test_a_person_with_psql_needs_no_record(database16: Fenced, held16: HeldSource) -> None:
    """The SQL that was kept elsewhere lowers a fence whose record is gone, as after retire; again it does no harm."""
    before = database16.state()
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    script = undo_sql(database16.server, recorded)
    drop_records(database16.server, even_fenced=True)
    assert before != database16.state()
    for _ in range(2):
        with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
            session.execute(script)
        assert before == database16.state()


def test_a_prepared_transaction_stops_it_before_anything_is_touched(database16: Fenced, held16: HeldSource) -> None:
    """The error names the transaction, and neither privileges nor settings changed."""
    recorded = held16.read_fence()
    before = database16.state()
    with psycopg.connect(database16.owner.url().reveal()) as session:
        session.execute("INSERT INTO items (name) VALUES ('prepared')")
        session.execute("PREPARE TRANSACTION 'forgotten-42'")
    for act in (held16.read_fence, lambda: held16.raise_fence(recorded)):
        with pytest.raises(FenceError, match="forgotten-42"):
            act()
    assert before == database16.state()
    assert not database16.one("SELECT to_regclass('pgcutover.fence') IS NOT NULL")


def test_a_privilege_granted_by_another_stops_it(database16: Fenced, held16: HeldSource) -> None:
    """What the owner could not grant again in the same grantor's name is never revoked."""
    with psycopg.connect(database16.other.url().reveal(), autocommit=True) as session:
        session.execute("GRANT DELETE ON items TO pg_monitor")
    with pytest.raises(
        FenceError, match=f"pg_monitor has DELETE on table public.items, granted by {database16.other.user}"
    ):
        held16.read_fence()


def test_a_role_that_needs_no_privilege_stops_it(database16: Fenced, held16: HeldSource) -> None:
    """What is revoked would not bind it once the locks are gone, so nothing is touched and it is named."""
    database16.run(f"GRANT pg_write_all_data TO {database16.other.user}")
    with pytest.raises(FenceError, match=f"{database16.other.user} may write whatever is revoked"):
        held16.read_fence()


def test_a_privilege_unknown_to_the_record_is_not_revoked(database16: Fenced, held16: HeldSource) -> None:
    """One granted after recording could not be put back, so the fence fails and names it."""
    recorded = held16.read_fence()
    database16.run("GRANT DELETE ON events TO pg_monitor")
    before = database16.state()
    with pytest.raises(FenceError, match=r"pg_monitor has DELETE on table public\.events"):
        held16.raise_fence(recorded)
    held16.lower_fence(recorded)
    assert before == database16.state()


def test_a_table_made_after_the_record_is_no_whole_fence(database16: Fenced, held16: HeldSource) -> None:
    """Its rows would be neither copied nor put back in order, so raising fails and names it."""
    recorded = held16.read_fence()
    with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
        session.execute("CREATE TABLE surprise (id integer)")
    with pytest.raises(FenceError, match=r"public\.surprise"):
        held16.raise_fence(recorded)


def test_a_lock_that_nobody_lets_go_of_is_named(database16: Fenced, held16: HeldSource) -> None:
    """A superuser's session in the way cannot be ended: after the limit the error says whose it is."""
    recorded = held16.read_fence()
    with database16.superuser() as session:
        session.execute("BEGIN; SET application_name = 'platform backup'; LOCK TABLE items IN ROW EXCLUSIVE MODE")
        with pytest.raises(FenceError, match=r"rdsadmin@local \(platform backup\) pid \d+ on public\.items"):
            held16.raise_fence(recorded)
    held16.raise_fence(recorded)
    assert () == held16.fence_status(recorded).leaks


def test_sessions_in_the_way_are_ended(database16: Fenced, held16: HeldSource) -> None:
    """A transaction with uncommitted writes ends with the fence, and what it wrote is gone."""
    with psycopg.connect(database16.owner.url().reveal()) as session:
        session.execute("INSERT INTO items (name) VALUES ('in flight')")
        assert [database16.owner.user] == [c.user for c in held16.clients()]
        held16.raise_fence(held16.read_fence())
        with pytest.raises(psycopg.OperationalError):
            session.commit()
    assert 200 == database16.one("SELECT count(*) FROM items")


def test_it_holds_when_its_process_dies(database: Fenced, held: HeldSource) -> None:
    """Without the locks the revocation stands, the fence is still found whole, and the locks can be had again."""
    recorded = held.read_fence()
    held.raise_fence(recorded)
    held.close()
    status = held.fence_status(recorded)
    assert () == status.leaks
    assert not status.locked
    with impatient(database.owner) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("DELETE FROM items")
    heir = HeldSource(database.server)
    try:
        heir.keep_fence(recorded)
        assert heir.fence_status(recorded).locked
        heir.keep_fence(recorded)
        with database.superuser() as session, pytest.raises(psycopg.errors.LockNotAvailable):
            session.execute("SET lock_timeout = 50; DELETE FROM items")
    finally:
        heir.close()


def test_a_fence_that_does_not_stand_is_not_kept(database16: Fenced, held16: HeldSource) -> None:
    """Never raised, or lowered: it is said, and nothing is touched."""
    before = database16.state()
    recorded = held16.read_fence()
    with pytest.raises(FenceError, match="does not stand any more: its record on the source is gone"):
        held16.keep_fence(recorded)
    held16.raise_fence(recorded)
    held16.lower_fence(recorded)
    with pytest.raises(FenceError, match="does not stand any more"):
        held16.keep_fence(recorded)
    assert before == database16.state()


@pytest.mark.parametrize(
    ("breach", "told"),
    [
        ("UPDATE pgcutover.fence SET raised_at = NULL", "sessions from before the fence were not all ended"),
        ("GRANT INSERT ON items TO PUBLIC", "PUBLIC has INSERT on table public.items"),
        ('ALTER DATABASE "{database}" RESET default_transaction_read_only', "new sessions may write by default"),
        ("DROP TABLE child", "recorded and gone: public.child"),
    ],
)
def test_a_breach_stops_whoever_would_keep_it(database16: Fenced, held16: HeldSource, breach: str, told: str) -> None:
    """It is named, and not mended in silence: rows may have come through it that were never copied."""
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    database16.run(breach.replace("{database}", database16.owner.database))
    opened = database16.state()
    with pytest.raises(FenceError, match=f"does not stand any more: .*{told}") as error:
        held16.keep_fence(recorded)
    assert "pgcutover rollback" in error.value.hint
    assert opened == database16.state()
    assert not held16.fence_status(recorded).locked


def test_a_breach_stops_it_under_the_locks_too(database16: Fenced, held16: HeldSource) -> None:
    """That our locks stand proves nothing of what was granted."""
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    database16.run("GRANT CREATE ON SCHEMA billing TO PUBLIC")
    with pytest.raises(FenceError, match="PUBLIC has CREATE on schema billing"):
        held16.keep_fence(recorded)


def test_a_fence_opened_by_hand_is_not_closed_again(database16: Fenced, held16: HeldSource) -> None:
    """After the SQL that is kept for a person was run, a run that goes on is stopped and the application is not."""
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
        session.execute(database16.one("SELECT undo_sql FROM pgcutover.fence"))
    with impatient(database16.owner) as session:
        with pytest.raises(FenceError, match="does not stand any more"):
            held16.keep_fence(recorded)
        session.execute("INSERT INTO items (name) VALUES ('after')")
    assert 201 == database16.one("SELECT count(*) FROM items")


def test_another_server_is_no_fence(database16: Fenced, held16: HeldSource) -> None:
    """After a failover what the new leader has need not be what was copied (T9); going back still works."""
    before = database16.state()
    recorded = held16.read_fence()
    identifier, timeline = str(recorded["server"]).split("/")
    held16.raise_fence(recorded)
    with pytest.raises(FenceError, match="failed over or was replaced"):
        held16.keep_fence({**recorded, "server": f"{identifier}/{int(timeline, 16) + 1:08X}"})
    held16.lower_fence(recorded)
    assert before == database16.state()


def test_the_moment_is_kept_while_the_fence_stands(database16: Fenced, held16: HeldSource) -> None:
    """Killed anywhere in raising once more, a fence that stood is found standing."""
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    statement, died = 0, True
    while died:
        statement += 6
        died = died_while(database16, statement, recorded, HeldSource.raise_fence)
        assert () == held16.fence_status(recorded).leaks, f"after death at statement {statement}"
    held16.keep_fence(recorded)


def test_the_moment_of_a_fence_that_fell_is_forgotten(database16: Fenced, held16: HeldSource) -> None:
    """Raised again after a breach and killed before its proof, it is not taken for the one that stood before."""
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    database16.run("GRANT DELETE ON items TO " + database16.other.user)
    statement = 0
    while database16.one("SELECT raised_at IS NOT NULL FROM pgcutover.fence"):
        statement += 6
        assert died_while(database16, statement, recorded, HeldSource.raise_fence)
    with pytest.raises(FenceError, match="does not stand any more"):
        held16.keep_fence(recorded)


def test_a_stored_fence_is_lowered_without_a_journal(database16: Fenced, held16: HeldSource) -> None:
    """What the source itself recorded is enough; where there is no fence nothing is done."""
    before = database16.state()
    assert lower_stored_fence(database16.server) is None
    held16.raise_fence(held16.read_fence())
    held16.close()
    assert () == lower_stored_fence(database16.server)
    assert before == database16.state()
    assert lower_stored_fence(database16.server) is None


def test_a_table_that_is_gone_is_a_leak(database16: Fenced, held16: HeldSource) -> None:
    """An owner may still drop once the locks are gone; what was copied of that table has no original any more."""
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    with impatient(database16.owner) as session:
        session.execute("DROP TABLE \"Odd 'name'\"")
    assert ("recorded and gone: public.Odd 'name'",) == held16.fence_status(recorded).leaks


def test_locks_of_a_dead_process_do_not_block_going_back(database16: Fenced, held16: HeldSource) -> None:
    """A holder's session that outlived its process is ended by whoever lowers the fence."""
    before = database16.state()
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    held16.keep_fence(recorded)
    heir = HeldSource(database16.server)
    heir.lower_fence(recorded)
    assert before == database16.state()


STRIDES = [pytest.param(5, id="every-fifth"), pytest.param(1, id="every", marks=pytest.mark.full)]


@pytest.mark.parametrize("stride", STRIDES)
def test_death_while_raising(database16: Fenced, stride: int) -> None:
    """Wherever our session is killed while raising, it can be lowered to what was before, or raised to whole."""
    before = database16.state()
    recorded = HeldSource(database16.server).read_fence()
    statement, died = 0, True
    while died:
        statement += stride
        died = died_while(database16, statement, recorded, HeldSource.raise_fence)
        heir = HeldSource(database16.server)
        if statement % 2:
            heir.raise_fence(recorded)
            assert () == heir.fence_status(recorded).leaks
        heir.lower_fence(recorded)
        assert before == database16.state(), f"after death at statement {statement}"
    assert statement > 30


@pytest.mark.parametrize("stride", STRIDES)
def test_death_while_lowering(database16: Fenced, stride: int) -> None:
    """Wherever our session is killed while lowering, lowering again leaves exactly what was before."""
    before = database16.state()
    living = HeldSource(database16.server)
    recorded = living.read_fence()
    statement, died = 0, True
    while died:
        statement += stride
        living.raise_fence(recorded)
        living.close()
        died = died_while(database16, statement, recorded, HeldSource.lower_fence)
        living.lower_fence(recorded)
        assert before == database16.state(), f"after death at statement {statement}"
    assert statement > 15


def died_while(
    database: Fenced, statement: int, recorded: Mapping[str, Any], act: Callable[[HeldSource, Any], None]
) -> bool:
    """Whether the session was killed before the act was through; then the act failed with our own error."""
    dying = DyingServer(database, statement)
    doomed = HeldSource(dying)
    try:
        act(doomed, recorded)
    except SourceError:
        assert dying.died
    finally:
        doomed.close()
    return dying.died


VANISHING = """
CREATE TABLE "$undo$ \\ %s {{0}} ' b" (id integer); ALTER TABLE "$undo$ \\ %s {{0}} ' b" OWNER TO "{owner}";
CREATE ROLE {gone} LOGIN; CREATE SCHEMA passing AUTHORIZATION "{owner}";
CREATE TABLE passing.rows (id integer); ALTER TABLE passing.rows OWNER TO "{owner}";
GRANT INSERT ON items, events TO {gone}; GRANT UPDATE (secret) ON items TO "{other}"
"""
VANISHED = """
DROP TABLE child; ALTER TABLE events_2026 RENAME TO later; ALTER TABLE items DROP COLUMN secret;
DROP SCHEMA passing CASCADE; DROP SEQUENCE numbers; CREATE TABLE numbers (id integer); DROP ROLE {gone}
"""


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_vanished_meanwhile_does_not_keep_the_rest_away(
    database16: Fenced, held16: HeldSource, by_hand: bool
) -> None:
    """Tables, a column, a schema and a role, dropped or renamed behind the fence: each is named, all else is back."""
    names = {"owner": database16.owner.user, "other": database16.other.user, "gone": f"g{database16.owner.database}"}
    database16.run(VANISHING.format(**names))
    before, settings = database16.state()
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    database16.run(VANISHED.format(**names))
    if by_hand:
        told: list[str] = []
        with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
            session.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
            session.execute(database16.one("SELECT undo_sql FROM pgcutover.fence"))
        things = ('"child"', '"events_2026"', '("secret")', '"passing"', '"numbers"', names["gone"])
        warnings = [t for t in told if t.startswith("dropped or renamed, so not given back: GRANT ")]
    else:
        warnings = [*held16.lower_fence(recorded)]
        assert warnings == [*held16.lower_fence(recorded)]
        assert [*held16.fence_status(recorded).not_given_back] == warnings
        things = (
            "table public.child was",
            "table public.events_2026 was",
            "column secret of table public.items was",
            "schema passing was",
            "sequence public.numbers was",
            f"role {names['gone']} was",
        )
    for thing in things:
        assert [w for w in warnings if thing in w], f"{thing} in {warnings}"
    gone = {"public.child", "public.events_2026", "public.numbers"}
    wanted = {a for a in before if a[1] not in gone and a[2] != "secret" and a[4] != names["gone"]}
    now, default = database16.state()
    assert (wanted, settings) == ({a for a in now if a[1] not in {"public.later", "public.numbers"}}, default)
    assert held16.fence_status(recorded).absent
    with impatient(database16.owner) as session:
        session.execute("DELETE FROM items")


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_is_somebody_elses_now_is_owed(database16: Fenced, held16: HeldSource, by_hand: bool) -> None:
    """A table that was given away is there and without its rights: all else is back, and that is no success."""
    before, settings = database16.state()
    recorded = held16.read_fence()
    held16.raise_fence(recorded)
    held16.close()
    database16.run("ALTER TABLE parent OWNER TO rdsadmin")
    if by_hand:
        psql = [str(binaries(16) / "psql"), "-X", "-v", "ON_ERROR_STOP=1", "-d", database16.owner.url().reveal()]
        script = database16.one("SELECT undo_sql FROM pgcutover.fence")
        done = subprocess.run(psql, input=script, capture_output=True, text=True, check=False)
        assert 3 == done.returncode
        assert re.search(r"another owner now: GRANT INSERT.*parent", done.stderr)
    else:
        with pytest.raises(
            FenceError, match=r"could not be given back: .* on table public\.parent \(permission denied"
        ):
            held16.lower_fence(recorded)
    now, default = database16.state()
    assert (frozenset(a for a in before if a[1] != "public.parent"), settings) == (
        frozenset(a for a in now if a[1] != "public.parent"),
        default,
    )
    if not by_hand:
        database16.run(f'ALTER TABLE parent OWNER TO "{database16.owner.user}"')
        assert () == lower_stored_fence(database16.server)
        assert (before, settings) == database16.state()


def test_a_grant_amid_the_revocation_is_never_lost(database16: Fenced, held16: HeldSource) -> None:
    """Committed between reading what there is and taking it, it could not be put back: it is told, nothing is taken."""
    recorded = held16.read_fence()
    granting = f'GRANT DELETE ON events_2025 TO "{database16.other.user}"'
    doomed = HeldSource(MeddledServer(database16, before=b"REVOKE", meddle=granting))
    before = database16.state()
    with pytest.raises(FenceError, match=f"{database16.other.user} has DELETE on table public.events_2025"):
        doomed.raise_fence(recorded)
    doomed.close()
    held16.lower_fence(recorded)
    rights, settings = database16.state()
    assert [database16.other.user] == [a[4] for a in rights - before[0]]
    assert (before[0], settings) == (rights & before[0], before[1])


def test_raising_takes_little_time(database16: Fenced, held16: HeldSource) -> None:
    """On an idle database none of its limits is waited for: it is inside the outage."""
    recorded = held16.read_fence()
    start = time.monotonic()
    held16.raise_fence(recorded)
    assert time.monotonic() - start < SETTLE_LIMIT_S
