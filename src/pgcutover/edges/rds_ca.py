"""The certificate authority of RDS: a private one, in no system's bundle, so that it must be fetched or given.

Fetched over verified HTTPS only, from AWS's own trust store, once for each state directory.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html#UsingWithRDS.SSL.CertificatesDownload
"""

import os
import tempfile
from pathlib import Path

import httpx

from pgcutover.errors import AwsError, ConfigError

TRUST_STORE = "https://truststore.pki.rds.amazonaws.com"
MARK = "-----BEGIN CERTIFICATE-----"
LIMIT_S = 30.0


def ca_bundle(
    region: str, *, configured: str, state: Path, client: httpx.Client | None = None, trust_store: str = TRUST_STORE
) -> Path:
    """A PEM file with the roots of RDS's certificates: the configured one, else the Region's, kept in `state`.

    Raises:
        ConfigError: the configured file is missing or holds no certificate.
        AwsError: it could not be fetched.
    """
    if configured:
        return _given(Path(configured))
    kept = state / f"rds-ca-{region}.pem"
    if kept.exists() and MARK in kept.read_text("ascii", errors="replace"):
        return kept
    if client is not None:
        return _keep(_fetch(client, f"{trust_store}/{region}/{region}-bundle.pem"), kept)
    with httpx.Client(timeout=LIMIT_S) as own:
        return _keep(_fetch(own, f"{trust_store}/{region}/{region}-bundle.pem"), kept)


def _given(path: Path) -> Path:
    try:
        text = path.read_text("ascii", errors="replace")
    except OSError as cause:
        raise ConfigError(
            f"the CA bundle {path} cannot be read: {cause.strerror}", hint="Check target.ca_bundle or PGCUTOVER_RDS_CA."
        ) from cause
    if MARK not in text:
        raise ConfigError(f"{path} holds no certificate", hint="target.ca_bundle must be a PEM file of the RDS CAs.")
    return path.resolve()


def _fetch(client: httpx.Client, url: str) -> str:
    hint = "Fetch it yourself and set target.ca_bundle to the file."
    try:
        reply = client.get(url)
        reply.raise_for_status()
    except httpx.HTTPError as cause:
        raise AwsError(
            f"the RDS certificates cannot be fetched from {url}: {type(cause).__name__}", hint=hint
        ) from cause
    if MARK not in reply.text:
        raise AwsError(f"{url} answered with something that is no certificate", hint=hint)
    return reply.text


def _keep(text: str, path: Path) -> Path:
    """Written whole or not at all: half a bundle would trust half of AWS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".rds-ca-")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
    return path.resolve()
