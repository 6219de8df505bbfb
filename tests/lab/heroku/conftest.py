"""A local Heroku over real servers: a leader and its follower, made once; a Heroku of its own for each test or module.

`still` never boots a dyno and never finishes a release, so rules can be tested without waiting; `running` is fast.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from local_heroku import FAST, STILL, Heroku, Servers, client_of, started

from pgcutover.lab.clusters import Cluster
from pgcutover.lab.dataset import create_heroku_database
from pgcutover.lab.layout import HerokuServer
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority, self_signed


@pytest.fixture(scope="session")
def heroku_servers(session_directory: Path) -> Iterator[Servers]:
    """A leader with acme's data and a streaming follower, each behind a relay that speaks TLS."""
    room = session_directory / "heroku-servers"
    authority = CertificateAuthority.create(room / "tls")
    cert, key = self_signed(room / "tls")
    with ExitStack() as stack:
        leader = Cluster(room / "leader", 16)
        leader.initdb()
        stack.callback(leader.stop, "immediate")
        leader.start()
        made = create_heroku_database(leader, size="small", seed=7)
        follower = Cluster(room / "follower", 16)
        follower.follow(leader, "follower")
        stack.callback(follower.stop, "immediate")
        follower.start()

        def server(cluster: Cluster) -> HerokuServer:
            relay = Relay(cluster.port, cert, key)
            stack.callback(relay.stop)
            return HerokuServer(
                host="127.0.0.1",
                port=relay.start(),
                cluster_port=cluster.port,
                database=made.database,
                owner=made.owner,
                password=made.owner_password,
                credentials={made.credential: made.credential_password},
                superuser_socket=cluster.socket_dir,
                plan=made.plan,
            )

        yield Servers(leader=server(leader), follower=server(follower), ca_bundle=authority.bundle)


@pytest.fixture(scope="module")
def looked_at(heroku_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heroku]:
    """A still one for tests that change nothing."""
    with started(heroku_servers, tmp_path_factory.mktemp("looked-at") / "lab", STILL) as heroku:
        yield heroku


@pytest.fixture
def still(heroku_servers: Servers, tmp_path: Path) -> Iterator[Heroku]:
    with started(heroku_servers, tmp_path / "lab", STILL) as heroku:
        yield heroku


@pytest.fixture
def running(heroku_servers: Servers, tmp_path: Path) -> Iterator[Heroku]:
    with started(heroku_servers, tmp_path / "lab", FAST) as heroku:
        yield heroku


@pytest.fixture
def client_with_key(still: Heroku) -> Iterator[Callable[[str], httpx.Client]]:
    """A client of `still` with another token."""
    with ExitStack() as stack:
        yield lambda key: stack.enter_context(client_of(still.lab.base_url, key))
