"""RDS's certificate authority is given, or fetched over verified HTTPS; anything else is refused."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pgcutover.edges.rds_ca import ca_bundle
from pgcutover.errors import AwsError, ConfigError
from pgcutover.lab.tls import CertificateAuthority


@contextmanager
def trust_store(authority: CertificateAuthority, pages: dict[str, bytes], asked: list[str]) -> Iterator[str]:
    """An HTTPS server with these pages."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *words: object) -> None:
            """Quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "tls")


@pytest.fixture
def client(authority: CertificateAuthority) -> Iterator[httpx.Client]:
    with httpx.Client(verify=ssl.create_default_context(cafile=str(authority.bundle))) as made:
        yield made


def test_the_regions_bundle_is_fetched_once_and_kept(
    tmp_path: Path, authority: CertificateAuthority, client: httpx.Client
) -> None:
    """From its own path; the second call asks nobody."""
    asked: list[str] = []
    pages = {"/eu-west-1/eu-west-1-bundle.pem": authority.bundle.read_bytes()}
    with trust_store(authority, pages, asked) as url:
        for _ in range(2):
            path = ca_bundle("eu-west-1", configured="", state=tmp_path / "state", client=client, trust_store=url)
    assert authority.bundle.read_bytes() == path.read_bytes()
    assert ["/eu-west-1/eu-west-1-bundle.pem"] == asked


def test_a_trust_store_that_nobody_vouches_for_is_not_believed(tmp_path: Path, authority: CertificateAuthority) -> None:
    """The default client trusts public authorities only; nothing is kept."""
    with (
        trust_store(authority, {}, []) as url,
        httpx.Client() as stranger,
        pytest.raises(AwsError, match="ConnectError") as caught,
    ):
        ca_bundle("eu-west-1", configured="", state=tmp_path / "state", client=stranger, trust_store=url)
    assert "target.ca_bundle" in caught.value.hint
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("page", [None, b"<html>please log in</html>"])
def test_a_missing_or_strange_bundle_is_refused(
    tmp_path: Path, authority: CertificateAuthority, client: httpx.Client, page: bytes | None
) -> None:
    """A hotel's login page is no certificate."""
    pages = {} if page is None else {"/x/x-bundle.pem": page}
    with trust_store(authority, pages, []) as url, pytest.raises(AwsError):
        ca_bundle("x", configured="", state=tmp_path / "state", client=client, trust_store=url)
    assert not (tmp_path / "state").exists()


def test_a_configured_bundle_wins_and_must_be_one(tmp_path: Path, authority: CertificateAuthority) -> None:
    """Nobody is asked then."""
    assert authority.bundle == ca_bundle("x", configured=str(authority.bundle), state=tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        ca_bundle("x", configured=str(tmp_path / "nothing.pem"), state=tmp_path)
    (tmp_path / "empty.pem").write_text("nothing here")
    with pytest.raises(ConfigError, match="holds no certificate"):
        ca_bundle("x", configured=str(tmp_path / "empty.pem"), state=tmp_path)
