"""The certificate that a PostgreSQL server presents, looked at before anybody logs in.

libpq does not show a server's certificate, so this asks for TLS as libpq does, shakes hands, and hangs up: no user name
and no password is ever sent from here. Invariant: what is called `enforced` was tried, with nothing else to trust.
"""

import hashlib
import ipaddress
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pgcutover.errors import SourceError
from pgcutover.facts.certificate import Anchor, Certificate
from pgcutover.facts.names import Dsn

LIMIT_S = 15.0
# https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST
SSL_REQUEST = struct.pack("!II", 8, 80877103)
WILLING = b"S"
DER = 2
"""ssl's private name for the encoding, `_ssl.ENCODING_DER`."""


class NoTlsError(Exception):
    """The server answered that it does not speak TLS."""


def look(dsn: Dsn) -> Anchor:
    """What this server can be held to from now on.

    A certificate that signed itself is its own root, so libpq, asyncpg and pg_dump refuse any other; what name it bears
    says nothing. Of a chain that comes with its root and bears the host's name, the root is held: the server's own
    certificate may then be renewed. What is neither is compared before each command only.

    Raises:
        SourceError: it cannot be reached, or speaks no TLS.
    """
    try:
        chain = presented(dsn.host, dsn.port)
        for root, named in ((chain[0], False), (chain[-1], True)):
            if vouches(dsn.host, dsn.port, root, named=named):
                return Anchor(certificate=root, enforced=True, named=named)
        return Anchor(certificate=chain[0], enforced=False, named=False)
    except NoTlsError as cause:
        raise SourceError(
            f"source {dsn}: the server offers no TLS", hint="Heroku Postgres always does: check the host and the port."
        ) from cause
    except OSError as cause:
        raise SourceError(
            f"source {dsn}: looking at its certificate: {cause.strerror or cause}",
            hint="Check that the source is up and reachable from here, then run the same command again.",
        ) from cause


def presented(host: str, port: int) -> Sequence[Certificate]:
    """The chain that the server shows, its own certificate first.

    Raises:
        NoTlsError, OSError: it shows none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with _handshake(host, port, context) as session:
        return tuple(_certificate(der) for der in _chain(session))


def vouches(host: str, port: int, root: Certificate, *, named: bool) -> bool:
    """Whether a client that trusts nothing but `root` would go on talking to this server.

    Raises:
        NoTlsError, OSError: it could not be tried.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = named
    context.load_verify_locations(cadata=root.pem)
    # Newer Pythons take any trusted certificate for a root; libpq does not.
    context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with _handshake(host, port, context):
            return True
    except ssl.SSLCertVerificationError:
        return False


def refusal(dsn: Dsn) -> str:
    """Why a client that trusts what `dsn` says is refused or refuses, in OpenSSL's words; '' when nobody knows.

    libpq says only "certificate verify failed".
    """
    options = dict(dsn.options)
    root = options.get("sslrootcert", "")
    if not root or root == "system":
        return ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = options.get("sslmode") == "verify-full"
    try:
        context.load_verify_locations(cafile=root)
        with _handshake(dsn.host, dsn.port, context):
            return ""
    except ssl.SSLCertVerificationError as cause:
        return cause.verify_message
    except (OSError, NoTlsError):
        return ""


@contextmanager
def _handshake(host: str, port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with socket.create_connection((host, port), LIMIT_S) as plain:
        plain.sendall(SSL_REQUEST)
        if plain.recv(1) != WILLING:
            raise NoTlsError
        with context.wrap_socket(plain, server_hostname=_server_name(host, context)) as session:
            yield session


def _server_name(host: str, context: ssl.SSLContext) -> str | None:
    """As libpq: the name is told unless it is an address; an address is only compared."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if context.check_hostname else None


def _chain(session: ssl.SSLSocket) -> list[bytes]:
    """DER forms. Public from Python 3.13 on; before, the same method is one floor below."""
    asked: Any = session if hasattr(session, "get_unverified_chain") else getattr(session, "_sslobj", None)
    found: Sequence[Any] | None = asked.get_unverified_chain() if asked is not None else None
    if not found:
        raise ssl.SSLError("the server showed no certificate")
    return [one if isinstance(one, bytes) else bytes(one.public_bytes(DER)) for one in found]


def _certificate(der: bytes) -> Certificate:
    return Certificate(sha256=hashlib.sha256(der).hexdigest(), pem=ssl.DER_cert_to_PEM_cert(der))
