"""The lab's own door to its RDS, on the same port: `/_lab/rds/...`, JSON in and out. No part of AWS.

    GET  /_lab/rds/knobs                             what is turned
    POST /_lab/rds/knobs                             turn: any fields of `Knobs`
    GET  /_lab/rds/calls                             by access key, the actions and resources that its calls asked for
    POST /_lab/rds/keys                              {"key": "...", "policy": {...}}: a key that may do that much only
    GET  /_lab/rds/instances                         statuses so far, ports, files, what was not afforded
    POST /_lab/rds/instances/NAME/maintenance        carry out what waits for the maintenance window
    POST /_lab/rds/instances/NAME/crash              kill the server as a power cut would; it recovers and comes back
    POST /_lab/rds/instances/NAME/network/cut        reset every connection
    POST /_lab/rds/instances/NAME/network/hang-up    close every connection politely
    POST /_lab/rds/instances/NAME/network/slow       pass on {"bytes_per_s": n} and no more; null: as fast as it goes
    POST /_lab/rds/instances/NAME/network/stall      go silent
    POST /_lab/rds/instances/NAME/network/resume     speak again
    POST /_lab/rds/instances/NAME/network/refuse     take no new connections
    POST /_lab/rds/instances/NAME/network/accept     take them again
    POST /_lab/rds/instances/NAME/network/cut-after  reset every connection after {"bytes": n} more, once
    GET  /_lab/rds/assumptions                       what the lab takes for granted, by number

No password is ever in an answer.
"""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from pydantic import ValidationError

from pgcutover.lab.rds.assumptions import ASSUMPTIONS
from pgcutover.lab.rds.instances import Instance
from pgcutover.lab.rds.keys import Environ, StartResponse
from pgcutover.lab.rds.knobs import Knobs
from pgcutover.lab.rds.site import Site
from pgcutover.lab.relay import Relay

if TYPE_CHECKING:
    from pgcutover.lab.rds.backend import Backend

PREFIX = "/_lab/rds/"
Answer = tuple[int, Any]


class Control:
    def __init__(self, site: Site, backends: "Callable[[], Iterable[Backend]]") -> None:
        self._site = site
        self._backends = backends

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        words = environ["PATH_INFO"].removeprefix(PREFIX).strip("/").split("/")
        try:
            status, body = self._answer(environ["REQUEST_METHOD"], words, environ)
        except (ValidationError, ValueError, KeyError, ServiceException) as wrong:
            status, body = 400, {"error": str(wrong)}
        data = json.dumps(body).encode()
        start_response(f"{status} Lab", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]

    def _answer(self, method: str, words: list[str], environ: Environ) -> Answer:
        match method, words:
            case "GET", ["assumptions"]:
                return 200, dict(ASSUMPTIONS)
            case "GET", ["knobs"]:
                return 200, self._site.knobs.model_dump()
            case "POST", ["knobs"]:
                return 200, self._turn(json.loads(_body(environ)))
            case "GET", ["calls"]:
                return 200, self._calls()
            case "POST", ["keys"]:
                return 200, self._give(json.loads(_body(environ)))
            case "GET", ["instances"]:
                return 200, [_shown(instance) for instance in self._instances()]
            case "POST", ["instances", name, *what]:
                return self._do(name, "/".join(what), json.loads(_body(environ) or b"{}"))
        return 404, {"error": f"no {method} {'/'.join(words)}"}

    def _turn(self, changes: dict[str, Any]) -> dict[str, Any]:
        with self._site.lock:
            turned = Knobs.model_validate({**self._site.knobs.model_dump(), **changes})
            for name in changes:
                setattr(self._site.knobs, name, getattr(turned, name))
            return self._site.knobs.model_dump()

    def _calls(self) -> dict[str, list[tuple[str, str]]]:
        with self._site.lock:
            return self._site.access.seen()

    def _give(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._site.lock:
            self._site.access.give(body["key"], body["policy"])
        return {"key": body["key"]}

    def _instances(self) -> list[Instance]:
        with self._site.lock:
            return [instance for backend in self._backends() for instance in backend.instances]

    def _do(self, name: str, what: str, body: dict[str, Any]) -> Answer:
        found = [instance for instance in self._instances() if instance.resource_id == name]
        if not found:
            return 404, {"error": f"no instance {name}"}
        instance = found[0]
        if what == "maintenance":
            with self._site.lock:
                instance.backend.open_maintenance_window(name)
        elif what == "crash":
            instance.database.crash()
        elif what.startswith("network/") and (relay := instance.database.relay) is not None:
            if not _meddle(relay, what.removeprefix("network/"), body):
                return 404, {"error": f"cannot {what}"}
        else:
            return 404, {"error": f"cannot {what}"}
        return 200, _shown(instance)


def _meddle(relay: Relay, how: str, body: dict[str, Any]) -> bool:
    """Whether that is something a network can do."""
    match how:
        case "cut":
            relay.cut()
        case "cut-after":
            relay.cut_after(int(body["bytes"]))
        case "hang-up":
            relay.hang_up()
        case "slow":
            relay.slow(body["bytes_per_s"])
        case "stall":
            relay.stall()
        case "resume":
            relay.resume()
        case "refuse" | "accept":
            relay.refuse(how == "refuse")
        case _:
            return False
    return True


def _shown(instance: Instance) -> dict[str, Any]:
    relay = instance.database.relay
    return {
        "name": instance.resource_id,
        "status": instance.status,
        "statuses": instance.statuses,
        "apply_statuses": instance.apply_statuses,
        "failure": instance.failure,
        "port": instance.port,
        "cluster_port": instance.database.cluster.port,
        "socket_dir": str(instance.database.cluster.socket_dir),
        "connections": 0 if relay is None else relay.connections,
        "relayed_bytes": 0 if relay is None else relay.relayed_bytes,
        "directory": str(instance.database.directory),
        "not_afforded": instance.database.changed,
        "waiting_for_maintenance": sorted(instance.deferred),
    }


def _body(environ: Environ) -> bytes:
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
