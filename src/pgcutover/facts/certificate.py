"""What a server shows of itself in a TLS handshake, and what we hold it to. Values only."""

from dataclasses import dataclass

SHOWN_DIGITS = 16
"""As many of a fingerprint as a person compares at a glance; what is accepted is typed in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate, by the SHA-256 of its DER form (64 hexadecimal digits, lower case), with its text for libpq."""

    sha256: str
    pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The certificate that a server is held to.

    `enforced`: every connection is refused that it does not vouch for. Where it cannot be a root for TLS (it is
    expired, or signed by an authority that the server does not show), only a look before the first connection of a
    command compares it. `named`: the host's name must be in the server's certificate, too.
    """

    certificate: Certificate
    enforced: bool
    named: bool

    @property
    def sha256(self) -> str:
        return self.certificate.sha256


def brief(sha256: str) -> str:
    """A fingerprint as a message shows it."""
    return f"{sha256[:SHOWN_DIGITS]}…"
