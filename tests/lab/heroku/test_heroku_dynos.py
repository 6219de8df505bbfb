"""Dynos are real processes that start with their release's config, end when told, and come back when they crash."""

import contextlib
import signal
import time
from pathlib import Path

import pytest
from local_heroku import ACCEPT_SDK, Heroku, wait_for

from pgcutover.lab.processes import Process, recorded, send

APP = "acme-api"


def processes_of(heroku: Heroku) -> dict[str, Process]:
    """The first process of each dyno, by the name under which its pid is recorded, without the id at its end."""
    return {
        name.removeprefix(f"dyno-{APP}-").rpartition("-")[0]: process
        for name, process in recorded(heroku.layout.run).items()
    }


def environment_of(process: Process) -> dict[str, str]:
    words = Path(f"/proc/{process.pid}/environ").read_bytes().decode().split("\0")
    return dict(word.split("=", 1) for word in words if word)


def command_lines() -> set[str]:
    """Of every process of this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.add(path.read_bytes().decode(errors="replace").replace("\0", " ").strip())
    return found


def test_the_formation_runs_as_real_processes(running: Heroku) -> None:
    """Each leads a process group and sees its release's config, PORT and DYNO, and nothing of our environment."""
    running.wait_up("web.1", "worker.1")
    processes = processes_of(running)
    environment = environment_of(processes["web.1"])
    assert {"web.1", "worker.1"} == set(processes)
    assert "web.1" == environment["DYNO"]
    assert running.get(f"/apps/{APP}/config-vars")["DATABASE_URL"] == environment["DATABASE_URL"]
    assert environment["PORT"].isdigit()
    assert "PYTEST_CURRENT_TEST" not in environment
    assert Path(environment["HOME"]) == Path(f"/proc/{processes['web.1'].pid}/cwd").readlink()


def test_a_dyno_finds_the_certificates_of_its_slug_and_clients_with_tls(running: Heroku) -> None:
    """psql is on the PATH and speaks TLS; config/rds-ca-bundle.pem lies in the working directory."""
    name = running.run(
        'psql "$DATABASE_URL" -Atc "select ssl from pg_stat_ssl where pid=pg_backend_pid()"; wc -l config/*'
    )
    said = "\n".join(running.ended(name))
    # The relay ends TLS before the server, so the server itself sees none; without TLS the relay lets nobody in.
    assert f"app[{name}]: f" in said
    assert "config/rds-ca-bundle.pem" in said


def test_every_dyno_is_restarted_by_a_release(running: Heroku) -> None:
    """After a config change each dyno is another process with the new value; the old processes are gone."""
    running.wait_up("web.1", "worker.1")
    before = processes_of(running)
    running.api.patch(f"/apps/{APP}/config-vars", json={"GREETING": "hello"})
    version = running.settled()["version"]
    running.wait_up("web.1", "worker.1", version=version)
    after = processes_of(running)
    assert ["hello", "hello"] == [environment_of(process)["GREETING"] for process in after.values()]
    wait_for(lambda: not any(process.alive for process in before.values()))


def test_scaling_to_zero_ends_the_processes(running: Heroku) -> None:
    """L5: gone from the list at once, from the machine within the grace; scaling back starts new ones."""
    running.wait_up("web.1", "worker.1")
    before = processes_of(running)
    running.scale(web=0, worker=0)
    assert {} == running.dynos()
    wait_for(lambda: not any(process.alive for process in before.values()))
    running.scale(web=2)
    running.wait_up("web.1", "web.2")


def test_a_crash_is_shown_and_the_dyno_comes_back(running: Heroku) -> None:
    """A killed process leaves state crashed for a while; then the dyno boots again."""
    running.wait_up("web.1", "worker.1")
    send(processes_of(running)["worker.1"], signal.SIGKILL)
    wait_for(lambda: running.dynos()["worker.1"]["state"] == "crashed")
    running.wait_up("web.1", "worker.1")
    said = [line.partition("]: ")[2] for line in running.log(dyno="worker.1")]
    assert "Process exited with status 137" in said
    assert "State changed from up to crashed" in said


@pytest.mark.parametrize("status", [0, 7])
def test_a_one_off_tells_its_output_and_its_status_in_the_log(running: Heroku, status: int) -> None:
    """Output of both streams, then the status, then completion, each under the dyno's name; then the dyno is gone."""
    name = running.run(f'echo "out $NOTE"; echo err >&2; exit {status}', env={"NOTE": "of mine"})
    tail = [line.partition("+00:00 ")[2] for line in running.ended(name)][-4:]
    assert [
        f"app[{name}]: out of mine",
        f"app[{name}]: err",
        f"heroku[{name}]: Process exited with status {status}",
        f"heroku[{name}]: State changed from up to complete",
    ] == tail
    assert 404 == running.api.get(f"/apps/{APP}/dynos/{name}").status_code


def test_a_one_off_keeps_its_config_over_a_release(running: Heroku) -> None:
    """L6: a release neither ends nor changes a dyno that somebody runs."""
    name = running.run("sleep 3; echo is=$GREETING")
    wait_for(lambda: running.dynos()[name]["state"] == "up")
    running.api.patch(f"/apps/{APP}/config-vars", json={"GREETING": "hello"})
    assert "succeeded" == running.settled()["status"]
    assert any(line.endswith("is=") for line in running.ended(name))


def test_a_one_off_ends_when_stopped_and_when_its_time_is_over(running: Heroku) -> None:
    """Stopping by name and time_to_live both end it with SIGTERM, its children too."""
    stopped = running.run("sleep 61.717 & sleep 62.828")
    expired = running.run("sleep 63", time_to_live=1)
    wait_for(lambda: running.dynos()[stopped]["state"] == "up")
    assert 202 == running.api.post(f"/apps/{APP}/dynos/{stopped}/actions/stop").status_code
    for name in (stopped, expired):
        assert any("Process exited with status 143" in line for line in running.ended(name))
    assert {"sleep 61.717", "sleep 62.828"}.isdisjoint(command_lines())


def test_scheduler_jobs_start_on_demand(running: Heroku) -> None:
    """The lab plays Heroku Scheduler: a dyno of type scheduler, stopped like any one-off."""
    name = running.api.post(f"/_lab/apps/{APP}/scheduler", json={"command": "sleep 60"}).json()["name"]
    assert name.startswith("scheduler.")
    assert "scheduler" == running.dynos()[name]["type"]
    running.api.post(f"/apps/{APP}/formations/scheduler/actions/stop")
    assert name not in running.dynos()


def test_a_dyno_that_ignores_sigterm_is_killed(running: Heroku) -> None:
    """After the grace comes SIGKILL."""
    name = running.run("trap '' TERM; echo deaf; while true; do sleep 1; done")
    wait_for(lambda: any(line.endswith("deaf") for line in running.log(dyno=name)))
    running.api.post(f"/apps/{APP}/dynos/{name}/actions/stop")
    wait_for(lambda: any("Process exited with status 137" in line for line in running.log(dyno=name)))


def test_a_log_can_be_followed(running: Heroku) -> None:
    """With tail, lines come as they are written, as server-sent events; a process type means all its dynos."""
    session = running.api.post(f"/apps/{APP}/log-sessions", json={"tail": True, "lines": 0, "dyno": "run"}).json()
    with running.api.stream("GET", session["logplex_url"], headers={"Accept": "text/event-stream"}) as stream:
        name = running.run("echo now")
        began = time.monotonic()
        line = next(line for line in stream.iter_lines() if line.endswith(f"app[{name}]: now"))
    assert line.startswith("data: ")
    assert time.monotonic() - began < 30


def test_a_stop_may_be_without_effect(running: Heroku) -> None:
    """As many requests as told are accepted and do nothing; the next one stops the dyno."""
    name = running.run("sleep 600")
    running.api.patch("/_lab/apps/acme-api/knobs", json={"stops_ignored": 1})
    path = f"/apps/acme-api/dynos/{name}/actions/stop"
    assert 202 == running.api.post(path, headers={"Accept": ACCEPT_SDK}).status_code
    assert name in running.dynos()
    assert 202 == running.api.post(path, headers={"Accept": ACCEPT_SDK}).status_code
    assert name not in running.dynos()
