"""The HTTP server of the lab's RDS: moto's services on loopback, with our RDS in place of moto's, behind a gate.

A request meets, in this order: the lab's own door, the knobs, the access keys and what they may do, moto. One request
is served at a time, for moto's records are not made for more; what takes time is done by workers. moto keeps its
records per process, so there is one `RdsLab` in a process at a time.
"""

import functools
import io
import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, cast
from urllib.parse import parse_qsl

from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.rds.models import RDSBackend, rds_backends
from werkzeug.serving import BaseWSGIServer, make_server

from pgcutover.errors import UsageError
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.rds import control, keys, managed
from pgcutover.lab.rds.backend import Backend
from pgcutover.lab.rds.keys import Call, Environ, Protocol, StartResponse
from pgcutover.lab.rds.knobs import Loss
from pgcutover.lab.rds.site import HOST, Site
from pgcutover.lab.tls import CertificateAuthority

WORKER_S = 60.0
"""How long stopping waits for a worker that is starting or copying a server."""
BROKEN = b"<html><body><h1>500 Internal Server Error</h1></body></html>"
SIGNED_FOR = {"monitoring": "cloudwatch"}
"""Services whose requests are signed for another name than that of their rights."""
_seated = threading.Lock()
"""Held while a lab's backend sits in moto's registry, which is one for the process."""


class RdsLab:
    """`start` returns the URL for AWS_ENDPOINT_URL; `stop` stops every server and relay, twice is not an error."""

    def __init__(self, layout: LabLayout, ca: CertificateAuthority, *, speed: float, port: int = 0) -> None:
        self._layout = layout
        self._ca = ca
        self._speed = speed
        self._port = port
        self._site: Site | None = None
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def site(self) -> Site:
        if self._site is None:
            raise UsageError("the lab's RDS is not running")
        return self._site

    def start(self) -> str:
        """Raises UsageError when this process already runs one."""
        if not _seated.acquire(blocking=False):
            raise UsageError("one RDS lab runs in this process already", hint="Stop it first.")
        try:
            self._site = Site(self._layout, self._ca, speed=self._speed)
        except BaseException:
            _seated.release()
            raise
        try:
            _seat(self._site)
            # Every call in the log would hide what matters there.
            logging.getLogger("werkzeug").setLevel(logging.WARNING)
            self._server = make_server(
                HOST, self._port, Gate(self._site), threaded=True, request_handler=MotoRequestHandler
            )
        except BaseException:
            self.stop()
            raise
        self._thread = threading.Thread(target=self._server.serve_forever, name="rds-api", daemon=True)
        self._thread.start()
        return f"http://{HOST}:{self._server.server_port}"

    def stop(self) -> None:
        if self._site is None:
            return
        if self._server is not None:
            if self._thread is not None:
                self._server.shutdown()
                self._thread.join()
            self._server.server_close()
        self._site.clock.close()
        for backend in _backends():
            for instance in backend.instances:
                instance.worker.close()
                instance.worker.join(WORKER_S)
        self._site.close()
        _unseat()
        self._site = self._server = self._thread = None
        _seated.release()


class Gate:
    """The WSGI application."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._control = control.Control(site, _backends)
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(control.PREFIX):
            return self._control(environ, start_response)
        with self._site.lock:
            if self._site.knobs.breaks():
                start_response("500 Internal Server Error", [("Content-Type", "text/html")])
                return [BROKEN]
            call = read(environ)
            if call is None:
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"not a signed call of an AWS service\n"]
            stall_s = self._site.knobs.stall_s(call)
        time.sleep(stall_s)
        with self._site.lock:
            access = self._site.access
            fault = (access.refusal(call) if self._site.knobs.check_keys else None) or self._site.knobs.fault(call)
            if fault is not None:
                return keys.answer(fault, call.protocol, start_response)
            access.note(call)
            if (simulated := access.simulation(call)) is not None:
                start_response("200 OK", [("Content-Type", "text/xml")])
                return [simulated.encode()]
            loss = self._site.knobs.loss(call)
            if loss is None:
                return cast(Iterable[bytes], self._moto(environ, start_response))
            for _ in self._moto(environ, lambda *_: None):
                pass
        return lost(loss, start_response)


def lost(loss: Loss, start_response: StartResponse) -> Iterable[bytes]:
    """What comes in place of an answer."""
    match loss.how:
        case "status":
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        case "html":
            start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(BROKEN)))])
            return [BROKEN]
    time.sleep(loss.seconds)
    # More is announced than comes: the connection ends in between.
    start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", "1000"), ("Connection", "close")])
    return [b"<?xml"]


def read(environ: Environ) -> Call | None:
    """What a signed request is about; None when it is not signed. The body can still be read afterwards.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    words = environ.get("HTTP_AUTHORIZATION", "").replace(",", " ").split()
    scopes = [word.removeprefix("Credential=").split("/") for word in words if word.startswith("Credential=")]
    if not scopes or len(scopes[0]) < 5:
        return None
    key, _, region, signed_for = scopes[0][:4]
    service = SIGNED_FOR.get(signed_for, signed_for)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target is not None:
        action, protocol = target.rsplit(".", 1)[-1], Protocol.JSON
        request = dict(_flat(json.loads(body or b"{}")))
    else:
        request = dict(parse_qsl(body.decode("utf-8", "replace")))
        action, protocol = request.get("Action", ""), Protocol.EC2 if service == "ec2" else Protocol.QUERY
    return Call(key=key, region=region, service=service, action=action, protocol=protocol, request=request)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """JSON as the query protocol would name it; lists count from 1."""
    if not isinstance(value, (dict, list)):
        yield name, str(value)
        return
    inner = value if isinstance(value, dict) else {str(number): each for number, each in enumerate(value, start=1)}
    for key, each in inner.items():
        yield from _flat(each, f"{name}.{key}" if name else key)


def _backends() -> list[Backend]:
    regions = [backend for account in rds_backends.values() for backend in account.values()]
    return [backend for backend in regions if isinstance(backend, Backend)]


def _seat(site: Site) -> None:
    # moto makes a backend for a Region when it is first asked for one, by calling what `backend` holds.
    BackendDict.reset()
    # AWS's own policies can be attached only where moto has read them.
    default_user_config["iam"]["load_aws_managed_policies"] = True
    managed.seat(site.knobs, site.clock)
    rds_backends.backend = cast(Any, functools.partial(Backend, site=site))


def _unseat() -> None:
    managed.unseat()
    rds_backends.clear()
    rds_backends.backend = RDSBackend
    BackendDict.reset()
