"""Whose server it is: the old database's certificate is held from the plan on, the new one's must be vouched for.

Every refusal here comes from a handshake with a real server behind a real TLS socket, and no byte of a client that was
refused reaches the server.
"""

import asyncio
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from pgcutover.app.trust import trust
from pgcutover.edges.certificates import presented
from pgcutover.edges.copystream import tls
from pgcutover.edges.pgtools import dump_schema, find_clients
from pgcutover.edges.postgres import Server, libpq_parameters
from pgcutover.errors import SourceError, StalePlanError, TargetError, ToolError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clients import install_clients
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority, self_signed
from pgcutover.planning.clients import Client

VERSION = 160000
SELF_SIGNED, CHAIN, LEAF_ONLY, EXPIRED = "self-signed", "with its root", "without its root", "expired"
Serve = Callable[[tuple[Path, Path]], Relay]


@pytest.fixture
def dsn(cluster16: Cluster, scratch_db: Callable[[Cluster], Dsn]) -> Dsn:
    return replace(scratch_db(cluster16), host="localhost")


@pytest.fixture
def serve(cluster16: Cluster, tmp_path: Path) -> Iterator[Serve]:
    """Start a relay before the server that presents a copy of these files: replaced, they count at once."""
    with ExitStack() as stack:

        def served(files: tuple[Path, Path]) -> Relay:
            present(tmp_path, files)
            relay = Relay(cluster16.port, tmp_path / "served.pem", tmp_path / "served.key")
            stack.callback(relay.stop)
            relay.start()
            return relay

        yield served


def present(directory: Path, files: tuple[Path, Path]) -> None:
    """From now on the relay shows these."""
    for file, name in zip(reversed(files), ("served.key", "served.pem"), strict=True):
        shutil.copyfile(file, directory / name)


def passed_on(relay: Relay) -> int:
    """Bytes that went through, once the last client's farewell has."""
    deadline = time.monotonic() + 60
    while relay.connections:
        assert time.monotonic() < deadline, "a client did not leave"
        time.sleep(0.01)
    return relay.relayed_bytes


def certificates(kind: str, directory: Path, stem: str) -> tuple[Path, Path]:
    """A certificate and its key of one of the kinds that servers present; each `stem` another."""
    if kind == SELF_SIGNED:
        return self_signed(directory / "tls", stem=stem)
    if kind == EXPIRED:
        return self_signed(directory / "tls", stem=stem, days=-1)
    if not (directory / "ca" / "ca.pem").exists():
        CertificateAuthority.create(directory / "ca")
    authority = CertificateAuthority.load(directory / "ca")
    certificate, key = authority.issue(stem=stem)
    if kind == CHAIN:
        certificate.write_bytes(certificate.read_bytes() + authority.bundle.read_bytes())
    return certificate, key


@pytest.fixture(scope="module")
def dump(session_directory: Path) -> Client:
    """A pg_dump that speaks TLS."""
    directory = session_directory / "pinned-clients"
    found = find_clients([install_clients(directory)[16]])
    return next(c for c in found if c.program == "pg_dump" and str(directory) in c.path)


def by_psycopg(held: Dsn, _: Client, __: Path) -> None:
    with Server(dsn=held, side="source").session("test") as session:
        session.execute("SELECT 1")


def by_asyncpg(held: Dsn, _: Client, __: Path) -> None:
    async def ask() -> None:
        found = libpq_parameters(held, purpose="test")
        connection = await asyncpg.connect(
            host=found["host"],
            port=int(found["port"]),
            user=found["user"],
            password=found["password"],
            database=found["dbname"],
            ssl=tls(found),
            timeout=60,
        )
        await connection.close()

    asyncio.run(ask())


def by_pg_dump(held: Dsn, dump: Client, directory: Path) -> None:
    dump_schema(dump, held, directory / "x.dump", server_version=VERSION)


ROADS = pytest.mark.parametrize("road", [by_psycopg, by_asyncpg, by_pg_dump])
REFUSALS = (SourceError, ssl.SSLCertVerificationError, ToolError)


@ROADS
@pytest.mark.parametrize("kind", [SELF_SIGNED, CHAIN])
def test_every_road_to_the_old_database_holds_its_certificate(
    dsn: Dsn, serve: Serve, tmp_path: Path, dump: Client, kind: str, road: Callable[[Dsn, Client, Path], None]
) -> None:
    """Once seen it is the only root: psycopg, asyncpg and pg_dump connect, and refuse a server that has another."""
    relay = serve(certificates(kind, tmp_path, "one"))
    held = trust(replace(dsn, port=relay.port), pinned="", state=tmp_path / "state")
    assert held.anchor.enforced
    road(held.dsn, dump, tmp_path)
    present(tmp_path, certificates(SELF_SIGNED, tmp_path / "stranger", "other"))
    passed = passed_on(relay)
    with pytest.raises(REFUSALS, match=r"(?i)certificate verify failed"):
        road(held.dsn, dump, tmp_path)
    assert passed == passed_on(relay)


@pytest.mark.parametrize("kind", [SELF_SIGNED, CHAIN, LEAF_ONLY, EXPIRED])
def test_a_changed_certificate_is_refused_before_anybody_logs_in(
    dsn: Dsn, serve: Serve, tmp_path: Path, kind: str
) -> None:
    """The message names both fingerprints in full, and how a failover's is accepted, before the move and in it."""
    relay = serve(certificates(kind, tmp_path, "one"))
    way = replace(dsn, port=relay.port)
    pinned = trust(way, pinned="", state=tmp_path / "state").anchor.sha256
    assert pinned == trust(way, pinned=pinned, state=tmp_path / "state").anchor.sha256
    stranger = certificates(SELF_SIGNED, tmp_path / "stranger", "other")
    present(tmp_path, stranger)
    (found,) = presented("localhost", relay.port)
    passed = passed_on(relay)
    with pytest.raises(StalePlanError) as caught:
        trust(way, pinned=pinned, state=tmp_path / "state")
    assert passed == passed_on(relay)
    assert f"sha256 {found.sha256}, not {pinned}" in caught.value.message
    needed = ("failover", "pgcutover plan,", f"--accept-certificate {found.sha256}")
    assert [] == [words for words in needed if words not in caught.value.hint]
    accepted = trust(way, pinned=found.sha256, state=tmp_path / "state")
    with Server(dsn=accepted.dsn, side="source").session("test") as session:
        assert (True,) == session.execute("SELECT true").fetchone()


def test_under_a_root_that_is_shown_the_servers_own_certificate_may_be_renewed(
    dsn: Dsn, serve: Serve, tmp_path: Path
) -> None:
    """The root is pinned then; one of another authority with the same name is refused."""
    relay = serve(certificates(CHAIN, tmp_path, "one"))
    way = replace(dsn, port=relay.port)
    pinned = trust(way, pinned="", state=tmp_path / "state")
    assert "verify-full" == dict(pinned.dsn.options)["sslmode"]
    present(tmp_path, certificates(CHAIN, tmp_path, "two"))
    assert pinned.anchor == trust(way, pinned=pinned.anchor.sha256, state=tmp_path / "state").anchor
    present(tmp_path, certificates(CHAIN, tmp_path / "elsewhere", "three"))
    with pytest.raises(StalePlanError):
        trust(way, pinned=pinned.anchor.sha256, state=tmp_path / "state")


def test_a_root_counts_only_for_the_name_that_was_asked(dsn: Dsn, serve: Serve, tmp_path: Path) -> None:
    """Or whoever has any certificate of that authority could stand in between: then the server's own is compared."""
    authority = CertificateAuthority.create(tmp_path / "ca")
    certificate, key = authority.issue(["elsewhere.example"], always=())
    certificate.write_bytes(certificate.read_bytes() + authority.bundle.read_bytes())
    relay = serve((certificate, key))
    anchor = trust(replace(dsn, port=relay.port), pinned="", state=tmp_path / "state").anchor
    own, _ = presented("localhost", relay.port)
    assert (own.sha256, False) == (anchor.sha256, anchor.enforced)


@pytest.mark.parametrize("kind", [LEAF_ONLY, EXPIRED])
def test_what_cannot_be_a_root_is_compared_only_and_the_connection_encrypted(
    dsn: Dsn, serve: Serve, tmp_path: Path, kind: str
) -> None:
    """Nobody can have Heroku renew a certificate, so an expired one does not stop the move; it is said in the plan."""
    relay = serve(certificates(kind, tmp_path, "one"))
    held = trust(replace(dsn, port=relay.port), pinned="", state=tmp_path / "state")
    assert (False, "require") == (held.anchor.enforced, dict(held.dsn.options)["sslmode"])
    with Server(dsn=held.dsn, side="source").session("test") as session:
        assert session.pgconn.ssl_in_use


@pytest.mark.parametrize(("kind", "told"), [(SELF_SIGNED, False), (LEAF_ONLY, True), (EXPIRED, True)])
def test_who_accepts_a_certificate_is_told_when_connections_cannot_be_held_to_it(
    dsn: Dsn, serve: Serve, tmp_path: Path, kind: str, told: bool
) -> None:
    """In the middle of a move there is no plan's advice to say so."""
    relay = serve(certificates(kind, tmp_path, "new"))
    with pytest.raises(StalePlanError) as caught:
        trust(replace(dsn, port=relay.port), pinned="0" * 64, state=tmp_path / "state")
    assert told == ("compared before each command only" in caught.value.hint)


def test_what_the_url_says_about_tls_does_not_loosen_the_pin(dsn: Dsn, serve: Serve, tmp_path: Path) -> None:
    """sslmode, root and Kerberos of a config var are put aside."""
    relay = serve(certificates(SELF_SIGNED, tmp_path, "one"))
    loose = replace(dsn, port=relay.port).with_options(sslmode="disable", sslrootcert="system", gssencmode="require")
    held = dict(trust(loose, pinned="", state=tmp_path / "state").dsn.options)
    assert ("verify-ca", "disable") == (held["sslmode"], held["gssencmode"])
    root = Path(held["sslrootcert"])
    assert (0o600, tmp_path / "state") == (root.stat().st_mode & 0o777, root.parent)


def test_an_old_database_without_tls_is_refused(dsn: Dsn, tmp_path: Path) -> None:
    """Heroku's servers always speak it."""
    with pytest.raises(SourceError, match="offers no TLS"):
        trust(dsn, pinned="", state=tmp_path / "state")
    with pytest.raises(SourceError, match="looking at its certificate"):
        trust(replace(dsn, port=1), pinned="", state=tmp_path / "state")


# -- the new database --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("authority", "unable to get local issuer certificate"),
        ("self-signed", "self-signed certificate"),
        ("host", 'does not match host name "localhost"'),
        ("expired", "certificate has expired"),
    ],
)
def test_a_new_database_that_nobody_vouches_for_is_refused_by_its_reason(
    dsn: Dsn, serve: Serve, tmp_path: Path, wrong: str, reason: str
) -> None:
    """verify-full with the bundle: wrong authority, wrong name, expired; nothing is sent, not even the user's name."""
    authority = CertificateAuthority.create(tmp_path / "aws")
    files = {
        "authority": lambda: CertificateAuthority.create(tmp_path / "other", common_name="another").issue(),
        "self-signed": lambda: self_signed(tmp_path / "own"),
        "host": lambda: authority.issue(["elsewhere.rds.amazonaws.example"], always=()),
        "expired": lambda: authority.issue(days=-1),
    }[wrong]()
    relay = serve(files)
    way = replace(dsn, port=relay.port).with_options(sslmode="verify-full", sslrootcert=str(authority.bundle))
    with pytest.raises(TargetError) as caught, Server(dsn=way, side="target").session("survey"):
        pass
    assert reason in caught.value.message
    assert f"localhost:{relay.port}" in caught.value.message
    assert "CA bundle" in caught.value.hint
    assert 0 == relay.relayed_bytes
    present(tmp_path, authority.issue())
    with Server(dsn=way, side="target").session("survey") as session:
        assert session.pgconn.ssl_in_use


# -- any other ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sslmode"),
    [
        ("postgres://u@db.example/d", "require"),
        ("postgres://u@db.example/d?sslmode=prefer", "require"),
        ("postgres://u@db.example/d?sslmode=allow", "require"),
        ("postgres://u@db.example/d?sslmode=disable", "disable"),
        ("postgres://u@db.example/d?sslmode=verify-full", "verify-full"),
        ("postgres://u@10.0.0.1/d", "require"),
        ("postgres://u@127.0.0.1.example/d", "require"),
        ("postgres://u@localhost/d?host=db.example", "require"),
        ("postgres://u@localhost/d?hostaddr=192.0.2.1", "require"),
        ("postgres://u@localhost/d", "prefer"),
        ("postgres://u@127.0.0.9/d", "prefer"),
        ("postgres://u@[::1]/d", "prefer"),
        ("postgres://u@localhost/d?sslmode=require", "require"),
    ],
)
def test_beyond_this_machine_tls_is_required_unless_somebody_wrote_disable(url: str, sslmode: str) -> None:
    """A mode that gives in to whoever cuts the handshake is no choice; loopback needs none."""
    assert sslmode == libpq_parameters(Dsn.parse(url), purpose="test")["sslmode"]


def test_a_server_without_tls_is_refused_where_tls_is_required(dsn: Dsn) -> None:
    """A client that asked for TLS does not go on in the clear."""
    with (
        pytest.raises(SourceError, match="does not support SSL"),
        Server(dsn=dsn.with_options(sslmode="require"), side="source").session("test"),
    ):
        pass
