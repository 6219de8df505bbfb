"""Certificates of the lab: an authority of its own, what it issues, and self-signed ones.

Never trusted by anything but what is given the bundle's path. Keys are files of mode 0600 and never in a log.
"""

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ALWAYS = ("localhost", "127.0.0.1", "*.localhost")
"""libpq accepts `*.localhost` for a host below localhost; OpenSSL's own check (Python, asyncpg) wants two labels after
the star, so a host below localhost that those must accept is named to `issue` in full."""
VALID_DAYS = 825
_DIGITAL_SIGNATURE_ONLY = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """`bundle` is what a client trusts (PEM); the key beside it signs."""

    directory: Path

    @property
    def bundle(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def _key_file(self) -> Path:
        return self.directory / "ca.key"

    @classmethod
    def create(cls, directory: Path, *, common_name: str = "pgcutover lab CA") -> "CertificateAuthority":
        authority = cls(directory)
        directory.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        certificate = (
            _builder(subject=name, issuer=name, public=key.public_key(), authority=key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **_DIGITAL_SIGNATURE_ONLY),
                critical=True,
            )
            .sign(key, hashes.SHA256())
        )
        _write(authority.bundle, certificate, authority._key_file, key)
        return authority

    @classmethod
    def load(cls, directory: Path) -> "CertificateAuthority":
        """The authority that `create` left there.

        Raises:
            FileNotFoundError: there is none.
        """
        authority = cls(directory)
        for path in (authority.bundle, authority._key_file):
            path.stat()
        return authority

    def issue(
        self, names: Iterable[str] = (), *, stem: str = "server", always: Iterable[str] = ALWAYS, days: int = VALID_DAYS
    ) -> tuple[Path, Path]:
        """A server certificate for these host names and addresses, and always for `ALWAYS`.

        It began yesterday, or when that is earlier a day before its end; negative `days` make one that has ended.

        Returns the paths of the certificate and of its key, `<stem>.pem` and `<stem>.key` beside the bundle.
        """
        signer = serialization.load_pem_private_key(self._key_file.read_bytes(), password=None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_file} does not hold an elliptic curve key")
        issuer = x509.load_pem_x509_certificate(self.bundle.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _leaf(
            issuer=issuer.subject,
            public=key.public_key(),
            authority=signer.public_key(),
            names=(*names, *always),
            days=days,
        ).sign(signer, hashes.SHA256())
        return _write(self.directory / f"{stem}.pem", certificate, self.directory / f"{stem}.key", key)


def self_signed(
    directory: Path, names: Iterable[str] = (), *, stem: str = "self-signed", days: int = VALID_DAYS
) -> tuple[Path, Path]:
    """A certificate that vouches for itself, as classic Heroku Postgres presents one: `sslmode=require` only.

    https://devcenter.heroku.com/articles/connecting-heroku-postgres#heroku-postgres-ssl
    """
    directory.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _leaf(
        issuer=_name("localhost"),
        public=key.public_key(),
        authority=key.public_key(),
        names=(*names, *ALWAYS),
        days=days,
    ).sign(key, hashes.SHA256())
    return _write(directory / f"{stem}.pem", certificate, directory / f"{stem}.key", key)


def _leaf(
    *,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    authority: ec.EllipticCurvePublicKey,
    names: Iterable[str],
    days: int,
) -> x509.CertificateBuilder:
    wanted = dict.fromkeys(names)
    return (
        _builder(subject=_name("localhost"), issuer=issuer, public=public, authority=authority, days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_DIGITAL_SIGNATURE_ONLY),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in wanted]), critical=False)
    )


def _builder(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    authority: ec.EllipticCurvePublicKey,
    days: int = VALID_DAYS,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=min(0, days) - 1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        # Python 3.13 verifies strictly and refuses a chain without it.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(
    certificate_file: Path, certificate: x509.Certificate, key_file: Path, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file
