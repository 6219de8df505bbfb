"""The ledger finds what was lost, doubled, aged or came back, and accuses nobody of what is only in flight."""

import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from pgcutover.facts.names import Dsn
from pgcutover.lab import ledger, orders, stray
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.dataset import PLAN
from pgcutover.lab.heroku import acme
from pgcutover.lab.heroku.state import Estate, estate_file
from pgcutover.lab.labourer import Labourer
from pgcutover.lab.layout import HerokuPair, HerokuServer, LabLayout
from pgcutover.lab.promises import Entry, Kind, Op, Promises, Write, read
from pgcutover.lab.relay import Relay

APP = acme.API
TABLE = """
CREATE TABLE ledger_entries (
    id bigserial PRIMARY KEY, token uuid NOT NULL, app text NOT NULL, kind text NOT NULL,
    version integer NOT NULL DEFAULT 0, payload text NOT NULL, created_at timestamptz DEFAULT now());
CREATE TABLE orders (id bigserial PRIMARY KEY, status text, meta jsonb);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A lab whose app has a database, and nothing else of a lab."""

    layout: LabLayout
    estate: Estate
    relay: Relay
    dsn: Dsn
    promises: Promises

    @property
    def url(self) -> str:
        return self.estate.configs[APP]["DATABASE_URL"]

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.dsn.url().reveal(), autocommit=True) as session:
            session.execute(statement, values)

    def write(self, *, promise: bool = True) -> str:
        """A row, and the promise of it."""
        token = orders.new_token()
        with psycopg.connect(self.dsn.url().reveal()) as session:
            done = orders.enter(session, token, app=APP, kind="test")
        if promise:
            self.promises.acknowledged([done])
        return token

    def check(self) -> tuple[int, int, int]:
        """(acknowledged, lost, doubled)"""
        verdict = ledger.check(self.layout)
        return verdict["acknowledged"], verdict["lost"], verdict["doubled"]


@pytest.fixture
def lab(
    cluster16: Cluster, scratch_db: Callable[[Cluster], Dsn], tls_relay: Callable[[Cluster], Relay], tmp_path: Path
) -> Iterator[Lab]:
    dsn, relay = scratch_db(cluster16), tls_relay(cluster16)
    with psycopg.connect(dsn.url().reveal(), autocommit=True) as session:
        session.execute(TABLE)
    layout = LabLayout(tmp_path)
    layout.heroku.mkdir()
    server = HerokuServer(
        host="127.0.0.1",
        port=relay.port,
        cluster_port=cluster16.port,
        database=dsn.database,
        owner=dsn.user,
        password=dsn.password.reveal(),
        credentials={},
        superuser_socket=cluster16.socket_dir,
        plan=PLAN,
    )
    estate = Estate(layout, seed=1)
    acme.furnish(estate, HerokuPair(leader=server, follower=server))
    estate.save()
    promises = Promises(layout.ledger, writer="test", app=APP)
    yield Lab(layout=layout, estate=estate, relay=relay, dsn=dsn, promises=promises)
    promises.close()


def test_kept_promises_are_neither_lost_nor_doubled(lab: Lab) -> None:
    """Inserted, changed and deleted rows that are as promised give 0 and 0."""
    kept, gone = lab.write(), lab.write()
    lab.execute("UPDATE ledger_entries SET version = 4 WHERE token = %s", kept)
    lab.promises.acknowledged([Write(op=Op.UPDATE, token=kept, version=4)])
    lab.execute("DELETE FROM ledger_entries WHERE token = %s", gone)
    lab.promises.acknowledged([Write(op=Op.DELETE, token=gone, version=0)])
    assert (4, 0, 0) == lab.check()


def test_a_lost_write_is_found(lab: Lab) -> None:
    """A promised row that is not there is lost, and its token is named."""
    token = lab.write()
    lab.execute("DELETE FROM ledger_entries WHERE token = %s", token)
    assert (1, 1, 0) == lab.check()
    assert [token] == ledger.check(lab.layout)["lost_tokens"]


def test_an_old_version_is_a_lost_write(lab: Lab) -> None:
    """A row older than the last acknowledged change has lost that change."""
    token = lab.write()
    lab.promises.acknowledged([Write(op=Op.UPDATE, token=token, version=1)])
    assert (2, 1, 0) == lab.check()


def test_a_delete_that_came_back_is_a_lost_write(lab: Lab) -> None:
    """A row that was acknowledged as deleted and is there has lost its delete."""
    token = lab.write()
    lab.promises.intend_delete(token)
    lab.promises.acknowledged([Write(op=Op.DELETE, token=token, version=0)])
    assert (2, 1, 0) == lab.check()


def test_a_doubled_write_is_found(lab: Lab) -> None:
    """A token that is there twice is doubled, whether or not anybody was promised it."""
    promised, unasked = lab.write(), lab.write(promise=False)
    for token in (promised, unasked):
        lab.execute("INSERT INTO ledger_entries (token, app, kind, payload) VALUES (%s, 'acme-api', 'copy', '')", token)
    assert (1, 0, 2) == lab.check()


@pytest.mark.parametrize("done", [True, False])
def test_a_delete_that_was_never_answered_accuses_nobody(lab: Lab, done: bool) -> None:
    """The row of an intended delete may be there or not."""
    token = lab.write()
    lab.promises.intend_delete(token)
    if done:
        lab.execute("DELETE FROM ledger_entries WHERE token = %s", token)
    assert (1, 0, 0) == lab.check()


def test_writes_beyond_what_was_acknowledged_are_no_loss(lab: Lab) -> None:
    """A change that was made and never answered leaves a newer version than promised."""
    token = lab.write()
    lab.execute("UPDATE ledger_entries SET version = 1 WHERE token = %s", token)
    assert (1, 0, 0) == lab.check()


def test_the_strays_promises_are_judged_in_the_apps_database(lab: Lab) -> None:
    """What the stray writer was promised must be where the app is now."""
    promises = Promises(lab.layout.ledger, writer="stray", app=stray.APP, judged_in=APP)
    promises.acknowledged([Write(op=Op.INSERT, token=orders.new_token(), version=0)])
    promises.close()
    verdict = ledger.check(lab.layout)
    assert (1, 1, 1) == (verdict["acknowledged"], verdict["lost"], verdict["stray"]["acknowledged"])


def test_an_app_without_a_database_proves_nothing(lab: Lab) -> None:
    """Between detach and set there is no DATABASE_URL: the promises are counted as unjudged, not as kept."""
    lab.write()
    del lab.estate.configs[APP]["DATABASE_URL"]
    lab.estate.save()
    verdict = ledger.check(lab.layout)
    assert ("none", 1, 1, 0) == (
        verdict["apps"][APP]["database"],
        verdict["acknowledged"],
        verdict["unjudged"],
        verdict["lost"],
    )


def test_another_address_is_rds(lab: Lab, cluster16: Cluster, tls_relay: Callable[[Cluster], Relay]) -> None:
    """The side is told by host and port, and the ledger is read where the URL leads, options included."""
    lab.write()
    other = tls_relay(cluster16)
    lab.estate.configs[APP]["DATABASE_URL"] = (
        lab.url.replace(f":{lab.relay.port}/", f":{other.port}/") + "?sslmode=require"
    )
    lab.estate.save()
    assert "rds" == ledger.check(lab.layout)["apps"][APP]["database"]
    assert (1, 0, 0) == lab.check()


def test_a_url_may_name_certificates_of_the_slug(
    lab: Lab, lab_ca: object, session_directory: Path, tls_relay: Callable[[Cluster], Relay]
) -> None:
    """sslrootcert is relative to where dynos run, which is not where the ledger is checked."""
    lab.write()
    bundle = lab.layout.heroku / "slug" / "config" / "ca.pem"
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes((session_directory / "tls" / "ca.pem").read_bytes())
    lab.estate.configs[APP]["DATABASE_URL"] = lab.url + "?sslmode=verify-full&sslrootcert=config/ca.pem"
    lab.estate.save()
    assert (1, 0, 0) == lab.check()


def entry(at: float, kind: Kind = Kind.ACKNOWLEDGED) -> Entry:
    return Entry(kind=kind, at=at, app=APP, judged_in=APP, writer=f"{APP}.people")


@pytest.mark.parametrize(
    ("moments", "until", "expected"),
    [
        ([], 100.0, []),
        ([1.0, 1.5, 2.0], 2.5, []),
        ([5.0, 1.0, 1.5], 5.0, [3.5]),
        ([1.0], 4.0, [3.0]),
        ([1.0, 3.0, 3.5, 6.0], 6.5, [2.0, 2.5]),
    ],
)
def test_silences_of_more_than_a_second_are_outages(moments: list[float], until: float, expected: list[float]) -> None:
    """Nothing before the first write counts; the silence that goes on still does."""
    assert expected == ledger.gaps(moments, until=until)


def test_users_outages_run_from_the_first_failure_to_the_next_success() -> None:
    """Failures before anything ever worked are the lab's start; the last one lasts until now."""
    told = [
        entry(0.0, Kind.FAILED),
        entry(1.0),
        entry(2.0, Kind.FAILED),
        entry(3.0, Kind.FAILED),
        entry(5.0, Kind.ANSWERED),
        entry(6.0, Kind.FAILED),
    ]
    assert [3.0, 4.0] == ledger.spans(told, until=10.0)


def test_a_half_written_line_is_not_read(lab: Lab) -> None:
    """A file is private, and what a killed writer began is no promise."""
    lab.write()
    path = lab.layout.ledger / "test.jsonl"
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    with path.open("a") as file:
        file.write('{"kind": "acknowledged", "op": "ins')
    assert 1 == len(read(lab.layout.ledger))


def test_many_threads_write_whole_lines(lab: Lab) -> None:
    """Every line of every thread is there and is JSON."""
    threads = [threading.Thread(target=lambda: [lab.promises.answered() for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 400 == len(read(lab.layout.ledger))


def test_the_worlds_state_holds_no_value_and_nothing_that_grows(lab: Lab) -> None:
    """The same world after going there and back is the same state; a changed value is seen, and never shown."""
    before = ledger.world_state(lab.layout)
    lab.estate.configs[APP]["RAILS_ENV"] = "staging"
    lab.estate.add_release(APP, "Set RAILS_ENV config vars", runs_command=False)
    changed = ledger.world_state(lab.layout)
    assert before[APP]["config"]["RAILS_ENV"] != changed[APP]["config"]["RAILS_ENV"]
    lab.estate.configs[APP]["RAILS_ENV"] = "production"
    lab.estate.add_release(APP, "Set RAILS_ENV config vars", runs_command=False)
    assert before == ledger.world_state(lab.layout)
    assert lab.dsn.password.reveal() not in json.dumps(before)
    assert lab.dsn.password.reveal() in estate_file(lab.layout).read_text()


def labour(lab: Lab, open_session: Callable[[], psycopg.Connection], work: Callable[[], None]) -> None:
    """Run a labourer while `work` is done."""
    promises = Promises(lab.layout.ledger, writer="labourer", app=APP)
    labourer = Labourer(open_session, promises, app=APP, kind="test", pause_s=0.005, reconnect_s=0.01)
    thread = threading.Thread(target=labourer.run)
    thread.start()
    try:
        work()
    finally:
        labourer.stop()
        thread.join()
        promises.close()


def wait_for_more(lab: Lab, kind: Kind, count: int) -> None:
    wanted = sum(e.kind is kind for e in read(lab.layout.ledger)) + count
    deadline = time.monotonic() + 60
    while sum(e.kind is kind for e in read(lab.layout.ledger)) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_promised_that_a_cut_took_away(lab: Lab) -> None:
    """Sessions are cut again and again in the middle of writing, deletes included; the verdict stays 0 and 0."""

    def cut() -> None:
        for _ in range(8):
            wait_for_more(lab, Kind.ACKNOWLEDGED, 12)
            lab.relay.cut()

    labour(lab, lambda: orders.connect(lab.url, name="test"), cut)
    acknowledged, lost, doubled = lab.check()
    assert (0, 0) == (lost, doubled)
    assert acknowledged > 90
    assert any(e.kind is Kind.FAILED for e in read(lab.layout.ledger))
    assert any(e.write is not None and e.write.op is Op.DELETE for e in read(lab.layout.ledger))


def test_the_stray_writes_through_read_only_and_stops_at_revoke(lab: Lab, cluster16: Cluster) -> None:
    """T4: a read-only default does not hold it; without the right to insert it is refused."""
    with cluster16.superuser() as session:
        session.execute(f'ALTER DATABASE "{lab.dsn.database}" SET default_transaction_read_only = on')

    def fence() -> None:
        wait_for_more(lab, Kind.ACKNOWLEDGED, 10)
        with cluster16.superuser(lab.dsn.database) as session:
            session.execute("SET default_transaction_read_only = off")
            session.execute(f'REVOKE INSERT, UPDATE, DELETE ON ledger_entries FROM "{lab.dsn.user}"')
        wait_for_more(lab, Kind.FAILED, 3)

    labour(lab, lambda: stray.open_session(lab.url), fence)
    refusals = [e.reason for e in read(lab.layout.ledger) if e.kind is Kind.FAILED]
    assert "permission denied" in refusals[-1]
    assert (0, 0) == lab.check()[1:]
