"""A lab comes up whole, is nobody else's business, and goes without a trace."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from pgcutover.errors import ToolError, UsageError
from pgcutover.facts.names import Dsn
from pgcutover.lab import handout, processes, statefile, world
from pgcutover.lab.clusters import run_as
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.statefile import LabState

FAST = 1000.0
HEROKU_ACCEPT = "application/vnd.heroku+json; version=3"


@pytest.fixture
def lab_directory(server_directory: Path) -> Iterator[Path]:
    """A place for a lab that is down when the test ends."""
    directory = server_directory / "lab"
    yield directory
    if statefile.read(LabLayout(directory)) is not None:
        world.down(directory)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def everything_of(directory: Path) -> list[str]:
    """Command lines of living processes that name the directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and processes.started_ticks(int(entry.name)) is not None:
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                where = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(directory) in line or where.startswith(str(directory)):
                found.append(line)
    return found


def ports_of(directory: Path) -> set[int]:
    facts = json.loads((directory / "state.json").read_text())
    return {*facts["ports"].values(), *(httpx.URL(url).port for url in facts["urls"].values())}


def database_url(environment: dict[str, str]) -> str:
    answer = httpx.get(
        f"{environment['HEROKU_HOST']}/apps/acme-api/config-vars",
        headers={"Authorization": f"Bearer {environment['HEROKU_API_KEY']}", "Accept": HEROKU_ACCEPT},
    )
    answer.raise_for_status()
    return str(answer.json()["DATABASE_URL"])


def wait_until(directory: Path, state: LabState) -> bool:
    deadline = time.monotonic() + 90
    while world.status(directory).state is not state:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_two_labs_at_once(server_directory: Path) -> None:
    """Two labs share nothing; each serves; a running one is not started again; down leaves no process and no port."""
    directories = [server_directory / "one", server_directory / "it's two"]
    with ExitStack() as stack:
        for directory in directories:
            stack.callback(lambda place: statefile.read(LabLayout(place)) and world.down(place), directory)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda directory: world.up(directory, speed=FAST), directories))
        environments = [world.environment(directory) for directory in directories]
        for directory, environment in zip(directories, environments, strict=True):
            check_serves(directory, environment)
        assert set() == ports_of(directories[0]) & ports_of(directories[1])
        assert environments[0]["HEROKU_API_KEY"] != environments[1]["HEROKU_API_KEY"]
        with pytest.raises(UsageError, match="a lab runs in"):
            world.up(directories[0])

        world.down(directories[0])
        check_gone(directories[0])
        assert LabState.READY is world.status(directories[1]).state
        # Not politely: what `kill -9` leaves is ended all the same, without anybody asking.
        os.kill(world.status(directories[1]).pid or 0, signal.SIGKILL)
        assert wait_until(directories[1], LabState.BROKEN)
        guardian = processes.recorded(LabLayout(directories[1]).run).get("guardian")
        assert guardian is None or processes.wait_gone([guardian], limit_s=30)
        assert [] == everything_of(directories[1])
        for directory in directories:
            world.down(directory)
            world.down(directory)
            check_gone(directory)


def check_serves(directory: Path, environment: dict[str, str]) -> None:
    status = world.status(directory)
    assert LabState.READY is status.state
    assert {"heroku/leader": True, "heroku/follower": True} == {one.name: one.running for one in status.servers}
    assert {"guardian", "people", "stray"} <= set(status.processes)
    assert all(answers(port) for port in ports_of(directory))
    assert 0o600 == (directory / "lab.env").stat().st_mode & 0o777
    assert 0o600 == (directory / "state.json").stat().st_mode & 0o777
    said = subprocess.run(
        ["/bin/sh", "-c", f". '{str(directory).replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}/lab.env' && env"],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    assert set(environment.items()) <= {tuple(line.split("=", 1)) for line in said.stdout.splitlines()}

    url = database_url(environment)
    leader_tls = json.loads((directory / "state.json").read_text())["ports"]["leader_tls"]
    assert leader_tls == Dsn.parse(url).port
    with psycopg.connect(url, sslmode="require") as session:
        assert session.execute("SELECT count(*) > 0 FROM orders").fetchone() == (True,)
        assert session.execute("SELECT count(*) FROM pg_stat_replication").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(url, sslmode="disable")

    deadline = time.monotonic() + 60
    while (verdict := world.check(directory))["acknowledged"] < 20 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert 20 <= verdict["acknowledged"]
    assert (0, 0) == (verdict["lost"], verdict["doubled"])
    assert "heroku" == verdict["apps"]["acme-api"]["database"]


def check_gone(directory: Path) -> None:
    status = world.status(directory)
    assert LabState.STOPPED is status.state
    assert {} == status.processes
    assert [] == [one.name for one in status.servers if one.running]
    assert [] == everything_of(directory)
    assert [] == [port for port in ports_of(directory) if answers(port)]
    assert [] == list(directory.glob("**/socket"))


def test_a_lab_that_is_not_ready_in_time(lab_directory: Path) -> None:
    """Past the limit, up fails and names the log, and nothing of the half-built lab is left."""
    with pytest.raises(ToolError, match="not ready after 2 s") as caught:
        world.up(lab_directory, speed=FAST, limit_s=2)
    assert "daemon.log" in caught.value.hint
    assert [] == everything_of(lab_directory)
    assert LabState.STOPPED is world.status(lab_directory).state


def test_a_lab_that_cannot_start(lab_directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When the daemon dies, up says so at once with what it said."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.exit('this machine is out of order')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"did not start:\n(.|\n)*out of order"):
        world.up(lab_directory)


def test_directories_of_others_are_refused(server_directory: Path) -> None:
    """A directory with anything of somebody else's is not taken, and stays as it was."""
    (server_directory / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="not empty and not a lab"):
        world.up(server_directory)
    with pytest.raises(UsageError, match="is not a directory"):
        world.up(server_directory / "thesis.txt")
    assert ["thesis.txt"] == [path.name for path in server_directory.iterdir()]
    for ask in (world.down, world.status, world.environment):
        with pytest.raises(UsageError, match="no lab in"):
            ask(server_directory)


def test_wrong_wishes_are_refused(lab_directory: Path) -> None:
    """An unknown size, a speed of nothing and a version nobody has are refused before anything is made."""
    for wish in ({"size": "huge"}, {"speed": 0.0}, {"rds_major": 9}):
        with pytest.raises(UsageError):
            world.up(lab_directory, **wish)
    assert not lab_directory.exists()


def test_a_place_that_the_servers_cannot_reach(server_directory: Path) -> None:
    """Below a directory that only root may enter, up refuses with a hint and leaves the directory free."""
    if run_as() is None:
        pytest.skip("only root runs servers as somebody else")
    private = server_directory / "root"
    private.mkdir(mode=0o700)
    for _ in range(2):
        with pytest.raises(UsageError, match="cannot enter") as caught:
            world.up(private / "lab")
        assert "not root" in caught.value.hint


def test_a_stale_lab(lab_directory: Path) -> None:
    """A pid file that survived its daemon is not taken for a lab that runs, and its pid is never signalled."""
    layout = LabLayout(lab_directory)
    layout.run.mkdir(parents=True)
    statefile.write(layout, LabState.READY, urls={}, ports={})
    layout.daemon_pid.write_text(f"{os.getpid()} 1 1\n")
    (layout.run / "people.pid").write_text(f"{os.getpid()} 1 1\n")
    status = world.status(lab_directory)
    assert (LabState.BROKEN, None, {}) == (status.state, status.pid, status.processes)
    world.down(lab_directory)
    assert LabState.STOPPED is world.status(lab_directory).state


def test_what_a_person_did_is_kept(lab_directory: Path) -> None:
    """A new lab in an old one's place removes the old servers, but moves plans and config aside."""
    layout = LabLayout(lab_directory)
    (lab_directory / ".pgcutover").mkdir(parents=True)
    (lab_directory / ".pgcutover" / "journal").write_text("history")
    (layout.heroku / "leader" / "data").mkdir(parents=True)
    statefile.write(layout, LabState.STOPPED)
    with pytest.raises(ToolError):
        world.up(lab_directory, limit_s=0.01)
    assert ["history"] == [path.read_text() for path in lab_directory.glob("earlier/*/.pgcutover/journal")]
    assert not (lab_directory / ".pgcutover").exists()


def test_the_environment_survives_a_shell(tmp_path: Path) -> None:
    """What is written to lab.env is what a shell and `environment` read, whatever stands in it."""
    layout = LabLayout(tmp_path)
    values = {"A": "plain", "B": 'it\'s "quoted" $HOME `x` \\', "C": ""}
    handout.write_environment(layout, values)
    assert values == handout.read_environment(layout)
    said = subprocess.run(
        ["/bin/sh", "-c", '. "$0"; printf %s "$B"', layout.environment], capture_output=True, text=True, check=True
    )
    assert values["B"] == said.stdout
