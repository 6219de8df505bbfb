"""One chunk from server to server: whole with its marker, or not at all."""

import pickle
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from little_database import carry_table, emptied, job, own_database, rows_of, run_sql, snapshot_of
from pgcutover.copying.chunk import ChunkJob
from pgcutover.edges.copystream import carry, tls
from pgcutover.errors import CopyError, PgcutoverError, SourceError, TargetError, TargetNotEmptyError
from pgcutover.facts.names import Dsn, Secret, TableName
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority

WIDE = "CREATE TABLE public.t (id integer, body text)"
END_OURS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name ~ ' copy '"
MANY = "INSERT INTO public.t SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 20000) AS i"


@pytest.fixture(scope="module")
def databases(cluster16: Cluster) -> Iterator[tuple[Dsn, Dsn]]:
    with own_database(cluster16) as source, own_database(cluster16) as target:
        yield source, target


@pytest.fixture
def pair(databases: tuple[Dsn, Dsn]) -> tuple[Dsn, Dsn]:
    """Two databases with an empty table `public.t`."""
    source, target = map(emptied, databases)
    run_sql(source, WIDE)
    run_sql(target, WIDE)
    return source, target


def test_a_chunk_and_its_marker_arrive_together(pair: tuple[Dsn, Dsn]) -> None:
    """Rows, bytes and the source's file are written beside the rows; the answer says the same."""
    source, target = pair
    run_sql(source, MANY)
    copied = carry_table(source, target, "public.t")
    assert [(20000,)] == rows_of(target, "SELECT count(*) FROM public.t")
    marks = rows_of(target, "SELECT chunk, epoch, rows, bytes FROM pgcutover.chunk")
    assert [("public.t", 1, 20000, copied.bytes)] == marks
    assert (20000, False) == (copied.rows, copied.found)
    assert copied.bytes > 20000 * 960


def test_a_second_time_touches_nothing(pair: tuple[Dsn, Dsn]) -> None:
    """A chunk with a marker is reported as found, and its rows are not doubled."""
    source, target = pair
    run_sql(source, "INSERT INTO public.t VALUES (1, 'a')")
    first = carry_table(source, target, "public.t")
    again = carry_table(source, target, "public.t")
    assert (first.rows, first.bytes, True) == (again.rows, again.bytes, again.found)
    assert [(1,)] == rows_of(target, "SELECT count(*) FROM public.t")


def test_rows_that_no_marker_explains_are_never_deleted(pair: tuple[Dsn, Dsn]) -> None:
    """A table that holds somebody's rows is refused, not truncated."""
    source, target = pair
    run_sql(target, "INSERT INTO public.t VALUES (7, 'only copy')")
    with pytest.raises(TargetNotEmptyError, match=r"public\.t on the target holds rows"):
        carry_table(source, target, "public.t")
    assert [(7,)] == rows_of(target, "SELECT id FROM public.t")
    assert [] == rows_of(target, "SELECT * FROM pgcutover.chunk")


def test_a_table_that_would_change_its_rows_is_refused(pair: tuple[Dsn, Dsn]) -> None:
    """T13, T21: with a trigger in place rows might arrive otherwise than they were sent."""
    source, target = pair
    run_sql(
        target,
        """CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
           CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()""",
    )
    with pytest.raises(TargetError, match="triggers, rules, row security or foreign keys already"):
        carry_table(source, target, "public.t")


def test_what_the_target_refuses_is_said_with_table_and_side(pair: tuple[Dsn, Dsn]) -> None:
    """A constraint of the target stops the chunk: table, server and reason are named, no value of a row is."""
    source, target = pair
    run_sql(source, "INSERT INTO public.t VALUES (1, 'hidden'), (NULL, 'hidden')")
    run_sql(target, "ALTER TABLE public.t ADD CONSTRAINT known CHECK (id IS NOT NULL)")
    with pytest.raises(TargetError) as caught:
        carry_table(source, target, "public.t")
    assert 'copying public.t: new row for relation "t" violates check constraint "known"' in caught.value.message
    assert "hidden" not in str(caught.value)
    assert [(0,)] == rows_of(target, "SELECT count(*) FROM public.t")


SLOW = """
INSERT INTO public.t SELECT nullif(i, 1), md5(i::text) || repeat('x', 20000) FROM generate_series(1, 600) AS i;
CREATE FUNCTION public.slow(i integer) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.1); RETURN true; END';
CREATE VIEW public.slowly AS SELECT * FROM public.t WHERE public.slow(id);
"""
"""Reading `slowly` to its end takes a minute; its first row has no id."""


def slowly(words: ChunkJob) -> ChunkJob:
    """The same job, reading and writing under the name of the slow view."""
    return replace(words, chunks=(replace(words.chunks[0], table=TableName(schema="public", name="slowly")),))


def test_an_early_refusal_is_not_told_late(pair: tuple[Dsn, Dsn]) -> None:
    """When the target refuses a row, the source is not read to its end first."""
    source, target = pair
    run_sql(source, SLOW)
    run_sql(target, "CREATE TABLE public.slowly (id integer CONSTRAINT known CHECK (id IS NOT NULL), body text)")
    with snapshot_of(source) as snapshot:
        words = slowly(job(source, target, "public.t", snapshot))
        started = time.monotonic()
        with pytest.raises(TargetError, match='violates check constraint "known"'):
            carry(words)
    assert time.monotonic() - started < 40


def test_a_lost_snapshot_is_an_error_of_the_source(pair: tuple[Dsn, Dsn]) -> None:
    """T10: a snapshot whose holder is gone is refused by the server, and nothing is copied without it."""
    source, target = pair
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot)
    with pytest.raises(SourceError, match=r"copying public\.t: .*snapshot"):
        carry(words)
    assert [] == rows_of(target, "SELECT * FROM pgcutover.chunk")


def test_the_snapshot_is_what_is_read(pair: tuple[Dsn, Dsn]) -> None:
    """Rows that were written after the snapshot was taken do not arrive."""
    source, target = pair
    run_sql(source, "INSERT INTO public.t VALUES (1, 'before')")
    with snapshot_of(source) as snapshot:
        run_sql(source, "INSERT INTO public.t VALUES (2, 'after')")
        assert 1 == carry(job(source, target, "public.t", snapshot))[0].rows


def test_two_carriers_of_one_chunk_bring_it_once(pair: tuple[Dsn, Dsn]) -> None:
    """T3: of two workers with one chunk the second waits for the first's marker and leaves the table alone."""
    source, target = pair
    run_sql(source, MANY)
    found: list[bool] = []
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot)
        threads = [threading.Thread(target=lambda: found.append(carry(words)[0].found)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [False, True, True] == sorted(found)
    assert [(20000,)] == rows_of(target, "SELECT count(*) FROM public.t")


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("cut_after_bytes", [1_000, 2_000_000])
def test_a_cut_connection_leaves_nothing_behind(
    side: str,
    cut_after_bytes: int,
    pair: tuple[Dsn, Dsn],
    cluster16: Cluster,
    tls_relay: Callable[..., Relay],
    lab_ca: CertificateAuthority,
) -> None:
    """Cut while it starts or while rows flow, on either side: an error that names the side, no row, no marker, and the
    next try succeeds."""
    source, target = pair
    run_sql(source, MANY)
    relay = tls_relay(cluster16)
    way = replace(source if side == "source" else target, host="localhost", port=relay.port).with_options(
        sslmode="verify-full", sslrootcert=str(lab_ca.bundle)
    )
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot, through={side: way})
        relay.cut_after(cut_after_bytes)
        with pytest.raises((CopyError, SourceError, TargetError), match=side) as caught:
            carry(words)
        if cut_after_bytes > 1_000:
            assert CopyError is type(caught.value)
            assert "was lost while public.t was copied" in caught.value.message
        assert [(0,)] == rows_of(target, "SELECT count(*) FROM public.t")
        assert [(0,)] == rows_of(target, "SELECT count(*) FROM pgcutover.chunk")
        assert 20000 == carry(words)[0].rows


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("after_bytes", [0, 5_000_000])
def test_a_silent_connection_is_not_waited_for(
    side: str,
    after_bytes: int,
    pair: tuple[Dsn, Dsn],
    cluster16: Cluster,
    tls_relay: Callable[..., Relay],
) -> None:
    """What is between us falls silent, at the start or amid the rows: an error in good time, nothing arrived, and the
    next try succeeds."""
    source, target = pair
    run_sql(source, MANY)
    relay = tls_relay(cluster16, require_tls=False)
    way = replace(source if side == "source" else target, port=relay.port).with_options(sslmode="disable")
    with snapshot_of(source) as snapshot:
        words = replace(job(source, target, "public.t", snapshot, through={side: way}), stall_s=1.0)
        silencer = threading.Thread(target=_silenced, args=(relay, after_bytes))
        silencer.start()
        try:
            with pytest.raises((CopyError, SourceError, TargetError), match=side):
                carry(words)
        finally:
            silencer.join()
            relay.resume()
        run_sql(target, END_OURS)
        assert [(0,)] == rows_of(target, "SELECT count(*) FROM pgcutover.chunk")
        assert 20000 == carry(words)[0].rows


def _silenced(relay: Relay, after_bytes: int) -> None:
    while relay.connections == 0 or relay.relayed_bytes < after_bytes:
        time.sleep(0.002)
    relay.stall()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_lock_is_waited_for_in_silence(side: str, pair: tuple[Dsn, Dsn]) -> None:
    """A server that waits for somebody's lock is at work: however long nothing comes, the chunk then arrives."""
    source, target = pair
    run_sql(source, MANY)
    held = source if side == "source" else target
    with snapshot_of(source) as snapshot:
        words = replace(job(source, target, "public.t", snapshot), stall_s=0.4)
        with psycopg.connect(held.with_options(sslmode="disable").url().reveal()) as locker:
            locker.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
            timer = threading.Timer(2.5, locker.commit)
            timer.start()
            started = time.monotonic()
            assert 20000 == carry(words)[0].rows
            assert 1.5 < time.monotonic() - started
            timer.join()


def test_a_server_that_is_down_is_named(pair: tuple[Dsn, Dsn]) -> None:
    """A connection that is refused is the source's error, with a hint and the same exit code as any other."""
    source, target = pair
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot)
        with pytest.raises(SourceError) as caught:
            carry(replace(words, source=replace(words.source, port=1)))
    assert "is up and reachable" in caught.value.hint


def test_a_wrong_password_is_not_shown(pair: tuple[Dsn, Dsn]) -> None:
    """The server's refusal is passed on with a hint and without the password."""
    source, target = pair
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot)
        wrong = replace(words.target, password=Secret("wrong-secret"))
        with pytest.raises(TargetError, match="password authentication failed") as caught:
            carry(replace(words, target=wrong))
    assert "rotated" in caught.value.hint
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "arrives"),
    [
        ({"sslmode": "require"}, True),
        ({"sslmode": "prefer"}, True),
        ({"sslmode": "verify-ca", "sslrootcert": "{ca}"}, True),
        ({"sslmode": "verify-full", "sslrootcert": "{ca}"}, True),
        ({"sslmode": "verify-full", "sslrootcert": "{other}"}, False),
        ({"sslmode": "require", "sslrootcert": "{other}"}, False),
        ({"sslmode": "verify-full", "sslrootcert": "system"}, False),
        ({"sslmode": "disable"}, False),
    ],
)
def test_tls_is_agreed_as_libpq_does(
    options: dict[str, str],
    arrives: bool,
    pair: tuple[Dsn, Dsn],
    cluster16: Cluster,
    tls_relay: Callable[..., Relay],
    lab_ca: CertificateAuthority,
    tmp_path: Path,
) -> None:
    """Each sslmode trusts what libpq trusts with it: require anybody, verify-full only the named authority."""
    source, target = pair
    other = CertificateAuthority.create(tmp_path / "other")
    named = {k: v.format(ca=lab_ca.bundle, other=other.bundle) for k, v in options.items()}
    way = replace(target, host="localhost", port=tls_relay(cluster16).port).with_options(**named)
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot, through={"target": way})
        if arrives:
            assert 0 == carry(words)[0].rows
        else:
            with pytest.raises(TargetError):
                carry(words)


def test_verify_full_checks_the_host_and_verify_ca_does_not(lab_ca: CertificateAuthority) -> None:
    """The context for asyncpg has the checks that the mode promises."""
    checks = {}
    for mode in ("require", "verify-ca", "verify-full"):
        context = tls({"sslmode": mode, **({} if mode == "require" else {"sslrootcert": str(lab_ca.bundle)})})
        assert isinstance(context, ssl.SSLContext)
        checks[mode] = (context.verify_mode is ssl.CERT_REQUIRED, context.check_hostname)
    assert {"require": (False, False), "verify-ca": (True, False), "verify-full": (True, True)} == checks


def test_what_a_role_sets_does_not_change_rows(pair: tuple[Dsn, Dsn]) -> None:
    """Text that servers of other defaults write and read is the same text: dates, intervals, floats, arrays."""
    source, target = pair
    table = """CREATE TYPE public.e AS ENUM ('x');
        CREATE TABLE public.odd (e public.e[], d date, i interval, f double precision, a text[], b bytea, m money,
                                 z timestamptz)"""
    run_sql(source, table)
    run_sql(target, table)
    values = """('{x}', '2021-02-03', '-1 mon +2 days 03:04:05', 0.1 + 0.2, ARRAY['NULL', NULL], 'a', 12.34,
                 '2021-02-03 04:05+00')"""
    run_sql(source, f"INSERT INTO public.odd VALUES {values}")
    theirs = {
        "datestyle": "German",
        "intervalstyle": "sql_standard",
        "extra_float_digits": "-5",
        "timezone": "Asia/Tokyo",
        "bytea_output": "escape",
        "array_nulls": "off",
        "default_transaction_read_only": "on",
    }
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.odd", snapshot)
        for dsn in pair:
            run_sql(dsn, "".join(f"ALTER ROLE {dsn.user} SET {n} = '{v}';" for n, v in theirs.items()))
        assert (False, 1) == (words.chunks[0].binary, carry(words)[0].rows)
    read = "SELECT e::text, d::text, i::text, f, a, b, m::text, z FROM public.odd"
    pinned = {"datestyle": "ISO", "intervalstyle": "postgres", "extra_float_digits": "1"}
    assert rows_of(source, read, **pinned) == rows_of(target, read, **pinned)
    assert [(["NULL", None],)] == rows_of(target, "SELECT a FROM public.odd")


def test_errors_travel_between_processes() -> None:
    """Message, hint and exit code survive pickling, for a worker raises in another process."""
    error: PgcutoverError = pickle.loads(pickle.dumps(CopyError("lost", hint="Again.")))
    assert ("lost", "Again.", 88) == (error.message, error.hint, error.exit_code)
