"""`pgcutover copy --cluster`: workers of a Dask scheduler carry, over TLS, and one of them may die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest
from dask_lab import DaskLab, write_certificates
from typed import command, environ
from workers import answer, job

from little_database import rows_of, run_sql
from pgcutover.edges.cluster import Cluster as Dask
from pgcutover.edges.cluster import WorkerLostError, open_cluster
from pgcutover.errors import CopyError, RefusedError, ToolError, UsageError
from pgcutover.facts.cluster import ClusterPlace
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import free_port

GATE = 4242
# A check constraint waits: the first row of `gated` arrives when the gate is opened, not before.
GATED = f"""
CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared({GATE}); RETURN true; END $$;
CREATE TABLE gated (id int CHECK (public.gate(id)), body text);
INSERT INTO gated SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 10000) AS i;
"""
OTHERS = "".join(
    f"CREATE TABLE other{n} (id int PRIMARY KEY, body text);"
    f"INSERT INTO other{n} SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 9000) AS i;"
    for n in range(3)
)
COPYING = """
SELECT client_port, wait_event_type FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'pgcutover copy public.gated' AND state <> 'idle'
"""
MARKS = "SELECT chunk, xmin::text, committed_at FROM pgcutover.chunk WHERE chunk LIKE 'public.other%' ORDER BY chunk"
LEFT = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgcutover%' AND datname = current_database()"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskLab]:
    made = DaskLab(directory=tmp_path_factory.mktemp("dask"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def open_lab(tmp_path: Path) -> Iterator[DaskLab]:
    """A scheduler without TLS, and no worker yet."""
    made = DaskLab(directory=tmp_path, protocol="tcp")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def two_workers(lab: DaskLab) -> None:
    lab.workers = [worker for worker in lab.workers if worker.alive]
    while len(lab.workers) < 2:
        lab.start_worker()


@contextmanager
def copying(lab: DaskLab, source: Dsn, target: Dsn, cwd: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """The command at work; nobody lets the rows of `gated` through before the gate is opened."""
    files = {"--cluster-ca": "tls-ca-file", "--cluster-cert": "tls-cert", "--cluster-key": "tls-key"}
    given = [word for option, name in files.items() for word in (option, lab.options[name])]
    with subprocess.Popen(
        command("copy", "--cluster", lab.address, *given, *words),
        env=environ(source, target),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def closed_gate(target: Dsn) -> Iterator[psycopg.Connection]:
    with psycopg.connect(target.url().reveal(), autocommit=True) as gatekeeper:
        gatekeeper.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        yield gatekeeper


def until(found: Callable[[], object], *, told: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


def carriers(lab: DaskLab, target: Dsn) -> dict[int, str]:
    """Workers that are at `gated` on the target, by the index of their process, and what they wait for."""
    at_work = dict(rows_of(target, COPYING))
    ports = {
        connection.laddr.port: number
        for number, worker in enumerate(lab.workers)
        if worker.alive
        for connection in psutil.Process(worker.pid).net_connections("tcp")
    }
    return {ports[port]: waits for port, waits in at_work.items() if port in ports}


def test_a_worker_that_is_killed_costs_its_chunk_alone(lab: DaskLab, source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """kill -9 amid its rows: the other worker does that chunk again, and no other; all is there, and no password."""
    run_sql(source, GATED + OTHERS)
    two_workers(lab)
    with closed_gate(target) as gatekeeper, copying(lab, source, target, tmp_path, "--verify", "--json") as running:
        until(lambda: carriers(lab, target), told=lab.logs)
        until(lambda: len(rows_of(target, MARKS)) == 3)
        before = rows_of(target, MARKS)
        ((victim, _),) = carriers(lab, target).items()
        lab.workers[victim].kill()
        until(lambda: carriers(lab, target) == {1 - victim: "Lock"}, told=lab.logs)
        again = rows_of(target, MARKS)
        gatekeeper.execute("SELECT pg_advisory_unlock(%s)", (GATE,))
        out, err = running.communicate(timeout=60)
    assert 0 == running.returncode, out + err
    said = json.loads(out)
    assert ("same", 37000, False, 2) == (said["comparison"]["verdict"], said["rows"], said["resumed"], said["jobs"])
    assert before == again
    for secret in (source.password.reveal(), target.password.reveal()):
        assert secret not in lab.logs() + err


def test_ctrl_c_leaves_nothing_at_work(lab: DaskLab, source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Interrupted while workers carry: exit 130, and neither server has a session of ours, whoever opened it."""
    run_sql(source, GATED + OTHERS)
    two_workers(lab)
    with closed_gate(target), copying(lab, source, target, tmp_path) as running:
        until(lambda: carriers(lab, target), told=lab.logs)
        os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=60)
        assert 130 == running.returncode, err
        until(lambda: [[(0,)], [(0,)]] == [rows_of(dsn, LEFT) for dsn in (source, target)])
    assert [True, True] == [worker.alive for worker in lab.workers]


def test_a_job_is_done_elsewhere_and_errors_come_back(lab: DaskLab, source: Dsn) -> None:
    """The answer comes from a worker's process; class, message and hint of an error survive the way."""
    two_workers(lab)
    with open_cluster(lab.place, source, source) as cluster, cluster.executor(2) as executor:
        assert 2 == cluster.threads
        assert executor.submit(os.getpid).result(timeout=60) in {worker.pid for worker in lab.workers}
        with pytest.raises(UsageError) as caught:
            executor.submit(ClusterPlace.parse, "nothing").result(timeout=60)
    assert ("--cluster does not name a Dask scheduler", True) == (caught.value.message, "tls://" in caught.value.hint)


def test_workers_of_another_authority_are_not_spoken_to(lab: DaskLab, source: Dsn, tmp_path: Path) -> None:
    """The scheduler must have a certificate of the CA that was named."""
    write_certificates(tmp_path)
    stranger = replace(lab.place, ca=str(tmp_path / "ca.pem"))
    with pytest.raises(ToolError, match="cannot be reached"), open_cluster(stranger, source, source, connect_s=1):
        pass


def test_a_death_is_told_to_the_crew(open_lab: DaskLab, source: Dsn) -> None:
    """At once, and the next job goes at once to one that lives, or to one that comes later; without any it ends."""
    for _ in range(2):
        open_lab.start_worker()
    pids = {worker.pid for worker in open_lab.workers}
    with open_cluster(open_lab.place, source, source, patience_s=2) as cluster, cluster.executor(1) as executor:
        victim = executor.submit(os.getpid).result(timeout=60)
        with pytest.raises(WorkerLostError):
            executor.submit(os.kill, victim, signal.SIGKILL).result(timeout=60)
        (other,) = pids - {victim}
        assert other == executor.submit(os.getpid).result(timeout=60)
        open_lab.start_worker()
        with pytest.raises(WorkerLostError):
            executor.submit(os.kill, other, signal.SIGKILL).result(timeout=60)
        assert open_lab.workers[2].pid == executor.submit(os.getpid).result(timeout=60)
        with pytest.raises(WorkerLostError):
            executor.submit(os.kill, open_lab.workers[2].pid, signal.SIGKILL).result(timeout=60)
        with pytest.raises(CopyError, match=r"no worker of .* is left"):
            executor.submit(os.getpid).result(timeout=60)


def test_a_scheduler_that_goes_is_an_error(open_lab: DaskLab, source: Dsn) -> None:
    """What runs ends with words about the scheduler, and so does what comes after it."""
    open_lab.start_worker()
    with open_cluster(open_lab.place, source, source, connect_s=2) as cluster:
        assert open_lab.scheduler is not None
        executor = cluster.executor(1)
        running = executor.submit(time.sleep, 5)
        time.sleep(0.5)
        open_lab.scheduler.kill()
        with pytest.raises(CopyError, match="was lost"):
            running.result(timeout=60)
        executor.shutdown()
        with pytest.raises(ToolError, match="cannot be reached"):
            cluster.executor(1)


def nowhere() -> Dsn:
    return Dsn(host="127.0.0.1", port=free_port(), user="u", database="d")


def test_a_worker_that_reaches_no_database_is_named(open_lab: DaskLab, source: Dsn) -> None:
    """Found before anything is touched: which machine, which database."""
    open_lab.start_worker()
    with pytest.raises(RefusedError) as caught, open_cluster(open_lab.place, source, nowhere()):
        pass
    assert "cannot reach the target u@127.0.0.1:" in caught.value.message
    assert f" on {os.uname().nodename} " in caught.value.message


def test_a_worker_with_another_version_is_named(open_lab: DaskLab, source: Dsn, tmp_path: Path) -> None:
    """Jobs are of one version: a worker with another one is refused, with both."""
    metadata = tmp_path / "old" / "pgcutover-0.0.1.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: pgcutover\nVersion: 0.0.1\n")
    paths = os.pathsep.join([str(tmp_path / "old"), os.environ.get("PYTHONPATH", "")])
    open_lab.start_worker({"PYTHONPATH": paths.strip(os.pathsep)})
    with (
        pytest.raises(RefusedError, match=r"on .* has pgcutover 0\.0\.1, here it is "),
        open_cluster(open_lab.place, source, source),
    ):
        pass


def test_a_scheduler_without_workers_is_an_error(open_lab: DaskLab) -> None:
    """Nobody waits for ever for somebody to carry."""
    with (
        pytest.raises(ToolError, match="has no worker") as caught,
        open_cluster(open_lab.place, nowhere(), nowhere(), patience_s=0.2),
    ):
        pass
    assert f"dask worker {open_lab.address}" in caught.value.hint


def test_nobody_at_the_address_is_an_error() -> None:
    """A scheduler that is not there ends in words about it, soon."""
    place = ClusterPlace.parse(f"tcp://127.0.0.1:{free_port()}")
    with (
        pytest.raises(ToolError, match=rf"{place.address} cannot be reached"),
        open_cluster(place, nowhere(), nowhere(), connect_s=0.5),
    ):
        pass


def test_tls_needs_certificates() -> None:
    """tls:// without any is a wrong command line, not a riddle of the library's."""
    with (
        pytest.raises(UsageError, match="needs a CA's certificate") as caught,
        open_cluster(ClusterPlace.parse("tls://127.0.0.1:8786"), nowhere(), nowhere()),
    ):
        pass
    assert "--cluster-ca" in caught.value.hint


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:8786", "tcp://scheduler:8786", "tcp://[2001:db8::1]"])
def test_passwords_do_not_cross_a_network_in_clear_text(address: str) -> None:
    """Plain tcp to another machine is refused."""
    with pytest.raises(RefusedError, match="unencrypted") as caught:
        ClusterPlace.parse(address)
    assert "--protocol tls" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tls://scheduler", "tls://scheduler:8786"),
        ("tcp://localhost:1", "tcp://localhost:1"),
        ("tcp://[::1]:9", "tcp://[::1]:9"),
        ("tls://10.0.0.7:8786/", "tls://10.0.0.7:8786"),
    ],
)
def test_addresses_are_read(text: str, address: str) -> None:
    """TLS to anybody, plain tcp to this machine; the port may be left out."""
    assert address == ClusterPlace.parse(text).address


@pytest.mark.parametrize("text", ["", "scheduler:8786", "http://a:1", "tls://", "tls://a:99999", "postgres://u:pw@h/d"])
def test_other_texts_name_no_scheduler(text: str) -> None:
    """A wrong command line; what was typed is not repeated, for it may hold a password."""
    with pytest.raises(UsageError) as caught:
        ClusterPlace.parse(text)
    assert "pw" not in str(caught.value)


def test_a_worker_in_clear_text_is_refused() -> None:
    """Though the scheduler is on this machine: one of its workers may not be."""
    cluster = Dask(place=ClusterPlace.parse("tcp://127.0.0.1"), source=nowhere(), target=nowhere())
    cluster._look_at({"tcp://10.0.0.7:1": 1})
    assert (0, ["tcp://10.0.0.7:1"]) == (cluster.threads, list(cluster._unfit))


def test_without_dask_the_error_says_what_to_install(tmp_path: Path) -> None:
    """The plain install has no --cluster; exit 74, and the command that brings it."""
    without = "import sys; sys.modules['distributed'] = None; from pgcutover.faces.cli import main; main()"
    words = ["copy", "--cluster", "tcp://127.0.0.1:1"]
    urls = {f"PGCUTOVER_{side}": nowhere().url().reveal() for side in ("SOURCE", "TARGET")}
    done = subprocess.run(
        [sys.executable, "-c", without, *words],
        env={**os.environ, **urls},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(done.stderr.split())
    assert (74, True) == (done.returncode, "pip install 'pgcutover[cluster]'" in said), said


def test_what_is_shown_of_a_job_has_no_password() -> None:
    """In a log, or on a page of Dask's."""
    secret = Dsn.parse("postgres://u:hunter22@localhost/d")
    shown = repr(partial(answer, replace(job(), source=secret, target=secret)))
    assert ("hunter22" in shown, "u@localhost" in shown) == (False, True)
