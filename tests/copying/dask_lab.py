"""A Dask scheduler and workers in processes of their own, with certificates of an authority made for them."""

import datetime
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pgcutover.facts.cluster import ClusterPlace

START_S = 60


@dataclass(frozen=True, kw_only=True)
class Program:
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def until_it_says(self, words: str) -> None:
        deadline = time.monotonic() + START_S
        while words not in self.log.read_text():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


@dataclass(kw_only=True)
class DaskLab:
    """`protocol` is tls or tcp. Everything listens on 127.0.0.1 and logs into `directory`."""

    directory: Path
    protocol: str = "tls"
    scheduler: Program | None = None
    workers: list[Program] = field(default_factory=list)
    _logs: "count[int]" = field(default_factory=count)

    @property
    def options(self) -> dict[str, str]:
        names = {"tls-ca-file": "ca.pem", "tls-cert": "one.pem", "tls-key": "one.key"}
        return {name: str(self.directory / file) for name, file in names.items()} if self.protocol == "tls" else {}

    @property
    def address(self) -> str:
        assert self.scheduler is not None, "it was started"
        return re.findall(r"Scheduler at:\s+(\S+)", self.scheduler.log.read_text())[0]

    @property
    def place(self) -> ClusterPlace:
        files = self.options
        return ClusterPlace.parse(
            self.address,
            ca=files.get("tls-ca-file", ""),
            certificate=files.get("tls-cert", ""),
            key=files.get("tls-key", ""),
        )

    def start(self) -> None:
        if self.protocol == "tls":
            write_certificates(self.directory)
        self.scheduler = self._run("scheduler", "--port=0")
        self.scheduler.until_it_says("Scheduler at:")

    def start_worker(self, environ: Mapping[str, str] | None = None) -> None:
        """One thread; it is there when this returns."""
        options = ("--nthreads=1", "--no-nanny", "--memory-limit=0", f"--local-directory={self.directory}")
        self.workers.append(self._run("worker", self.address, *options, environ=environ))
        self.workers[-1].until_it_says("Registered to:")

    def stop(self) -> None:
        for program in (*self.workers, self.scheduler):
            if program is not None:
                program.kill()

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.directory.glob("*.log")))

    def _run(self, *words: str, environ: Mapping[str, str] | None = None) -> Program:
        common = ("--host=127.0.0.1", f"--protocol={self.protocol}", "--no-dashboard")
        files = (f"--{name}={path}" for name, path in self.options.items())
        log = self.directory / f"{next(self._logs)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words, *common, *files],
                env={**os.environ, **(environ or {})},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return Program(process=process, log=log)


def write_certificates(directory: Path) -> None:
    """An authority (ca.pem), and one certificate for all who take part: each vouches to each (one.pem, one.key)."""
    authority, one = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    for file, key, ca in (("ca", authority, True), ("one", one, False)):
        certificate = _certificate(file, key.public_key(), authority, ca=ca)
        (directory / f"{file}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "one.key").write_bytes(
        one.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _certificate(
    name: str, public: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("ca"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(signer, hashes.SHA256())
    )
