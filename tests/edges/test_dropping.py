"""A database is dropped although somebody whom nobody may end is in it for a moment, as autovacuum is."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from little_database import own_database
from pgcutover.edges.dropping import drop_database
from pgcutover.lab.clusters import Cluster

NAME = 'to be "dropped"'


@pytest.fixture
def owner(cluster18: Cluster) -> Iterator[psycopg.Connection]:
    """A session of a role that may make databases, and has made one."""
    with own_database(cluster18) as dsn:
        with cluster18.superuser() as session:
            session.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(dsn.user)))
        with psycopg.connect(dsn.url().reveal(), autocommit=True) as session:
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
            yield session
            session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(NAME)))


def there(owner: psycopg.Connection) -> bool:
    return owner.execute("SELECT FROM pg_database WHERE datname = %s", (NAME,)).fetchone() is not None


def test_a_superusers_session_is_waited_for(cluster18: Cluster, owner: psycopg.Connection) -> None:
    """FORCE may not end it, and says so at once; it leaves by itself, and the database goes."""
    inside = cluster18.superuser(NAME)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(NAME)))
    leaving = threading.Timer(1, inside.close)
    leaving.start()
    drop_database(owner, NAME)
    leaving.join()
    assert not there(owner)
    drop_database(owner, NAME)


def test_one_that_stays_is_an_error(
    cluster18: Cluster, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be dropped is not called dropped."""
    monkeypatch.setattr("pgcutover.edges.dropping.TRIES", 1)
    with cluster18.superuser(NAME), pytest.raises(psycopg.errors.ObjectInUse):
        drop_database(owner, NAME)
    assert there(owner)
