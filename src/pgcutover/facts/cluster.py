"""Where a Dask scheduler listens, and with which files we and it vouch for each other. It connects to nothing.

Invariant: a place that exists keeps what is sent there from everybody else: it speaks TLS, or it is on this machine.
Connection strings with passwords go there.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from pgcutover.errors import RefusedError, UsageError

SCHEDULER_PORT = 8786
"""https://distributed.dask.org/en/stable/configuration.html"""
HINT = "Give tls://HOST:PORT, for example tls://copy-1.internal:8786."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlace:
    """A scheduler's address. Files are paths on this machine; '' is what Dask's own configuration says."""

    address: str
    ca: str = ""
    certificate: str = ""
    key: str = ""

    @classmethod
    def parse(cls, text: str, *, ca: str = "", certificate: str = "", key: str = "") -> "ClusterPlace":
        """Read `tls://host:port`, or `tcp://` for a scheduler on this machine.

        Raises:
            UsageError: no such address.
            RefusedError: passwords would cross a network in clear text.
        """
        parts = _parts(text.strip())
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        address = f"{parts.scheme}://{host}:{parts.port or SCHEDULER_PORT}"
        if not kept_from_others(address):
            raise RefusedError(
                f"--cluster {address} would send the databases' passwords over the network unencrypted",
                hint="Nothing was touched. Start scheduler and workers with --protocol tls, and give tls://; plain tcp "
                "is only for a scheduler on this machine.",
            )
        return cls(address=address, ca=ca, certificate=certificate, key=key)

    @property
    def encrypted(self) -> bool:
        return self.address.startswith("tls://")


def kept_from_others(address: str) -> bool:
    """Whether nobody between here and there can read what is sent to an address as Dask writes them."""
    parts = urlsplit(address)
    if parts.scheme in ("tls", "inproc"):
        return True
    try:
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _parts(text: str) -> SplitResult:
    """Raises UsageError, which does not quote the text: somebody may have given a database's URL."""
    wrong = UsageError("--cluster does not name a Dask scheduler", hint=HINT)
    try:
        parts = urlsplit(text)
        found = (parts.scheme in ("tls", "tcp"), bool(parts.hostname), parts.port != 0, parts.path in ("", "/"))
    except ValueError:
        raise wrong from None
    if not all(found) or parts.username or parts.query:
        raise wrong
    return parts
