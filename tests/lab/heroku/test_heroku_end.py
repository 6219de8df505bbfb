"""The local Heroku leaves nothing behind, however it ends, and its copy of the estate is private."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from local_heroku import FAST, KEY, Heroku, Servers, wait_for

from pgcutover.lab.heroku.state import estate_file
from pgcutover.lab.processes import Process, recorded

CHILD = """
import json, sys, time
from pathlib import Path
from pgcutover.lab.heroku.server import HerokuLab
from pgcutover.lab.layout import HerokuServer, LabLayout

given = json.load(sys.stdin)
servers = [HerokuServer(**{**s, "superuser_socket": Path(s["superuser_socket"])}) for s in given["servers"]]
layout = LabLayout(Path(given["directory"]))
lab = HerokuLab(layout, Path(given["ca"]), *servers, speed=given["speed"], seed=1, api_key="k")
print(lab.start(), flush=True)
time.sleep(600)
"""


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def dynos(directory: Path) -> list[Process]:
    return list(recorded(directory).values())


def test_stop_leaves_no_process_and_no_port(running: Heroku) -> None:
    """Dynos of the formation, one-offs, routers and API are gone when stop returns, and so are their directories."""
    running.wait_up("web.1", "worker.1")
    running.run("sleep 60")
    wait_for(lambda: len(dynos(running.layout.run)) == 3)
    left, router = dynos(running.layout.run), running.lab.router_url()
    running.lab.stop()
    assert [False] * 3 == [dyno.alive for dyno in left]
    assert (False, False) == (listens(running.lab.base_url), listens(router))
    assert [] == list(running.layout.run.glob("dyno-*.pid"))
    assert not (running.layout.heroku / "dynos").exists()


def test_the_kernel_ends_the_dynos_of_a_killed_lab(heroku_servers: Servers, tmp_path: Path) -> None:
    """After kill -9 of the process that runs the lab, its dynos die with it."""
    servers = [
        {**asdict(server), "superuser_socket": str(server.superuser_socket)}
        for server in (heroku_servers.leader, heroku_servers.follower)
    ]
    given = {"servers": servers, "directory": str(tmp_path), "ca": str(heroku_servers.ca_bundle), "speed": FAST}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(json.dumps(given))
        child.stdin.close()
        assert child.stdout.readline().startswith("http://127.0.0.1:")
        wait_for(lambda: len(dynos(tmp_path / "run")) == 2)
        left = dynos(tmp_path / "run")
        os.kill(child.pid, signal.SIGKILL)
    wait_for(lambda: not any(dyno.alive for dyno in left))


def test_the_estates_copy_is_private_and_current(still: Heroku) -> None:
    """0600, replaced whole at each change, with the config in it and no key of the API."""
    path = estate_file(still.layout)
    still.api.patch("/apps/acme-api/config-vars", json={"A": "1"})
    document = json.loads(path.read_text())
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert "1" == document["apps"]["acme-api"]["config"]["A"]
    assert KEY not in path.read_text()


def test_the_same_seed_gives_the_same_names(still: Heroku, looked_at: Heroku) -> None:
    """Add-ons are named alike in two labs of one seed."""
    assert [addon["name"] for addon in still.get("/addons")] == [addon["name"] for addon in looked_at.get("/addons")]
