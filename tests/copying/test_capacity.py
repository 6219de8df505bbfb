"""How many sessions a copy may take: of a real server, with limits of its own, of the database and of the role."""

import os

import pytest
from psycopg import sql

from little_database import plain
from pgcutover.edges.capacity import BUILDING, LEFT_FREE, READING, affordable_jobs, no_more_than_cores
from pgcutover.edges.postgres import Server
from pgcutover.errors import RefusedError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster


def limited(cluster: Cluster, what: str, name: str, limit: int) -> None:
    with cluster.superuser() as session:
        session.execute(sql.SQL(f"ALTER {what} {{}} CONNECTION LIMIT {limit}").format(sql.Identifier(name)))  # type: ignore[arg-type]


def jobs(source: Dsn, target: Dsn, wanted: int = 4) -> int:
    return affordable_jobs(
        Server(dsn=plain(source), side="source"), Server(dsn=plain(target), side="target"), wanted=wanted
    )


def test_as_many_as_wanted_where_there_is_room(source: Dsn, target: Dsn) -> None:
    """A server with a hundred connections serves four at once."""
    assert 4 == jobs(source, target)


@pytest.mark.parametrize("what", ["ROLE", "DATABASE"])
def test_a_small_plan_gets_fewer(what: str, source: Dsn, target: Dsn, cluster16: Cluster) -> None:
    """The source's limit, of the role or of the database, less what is kept for others, is what may be taken."""
    limited(cluster16, what, source.user if what == "ROLE" else source.database, READING + LEFT_FREE + 2)
    assert 2 == jobs(source, target, wanted=8)


def test_a_full_server_is_refused(source: Dsn, target: Dsn, cluster18: Cluster) -> None:
    """Where not even one table at a time is possible, that is said before anything is touched."""
    limited(cluster18, "ROLE", target.user, BUILDING + LEFT_FREE)
    with pytest.raises(RefusedError, match=f"target .* has only {BUILDING + LEFT_FREE} free connections"):
        jobs(source, target)


def test_a_server_of_this_machine_does_no_more_at_once_than_it_has_cores(target: Dsn) -> None:
    """Its process is seen here, and with it how many cores it has; fewer are asked of it when fewer are wanted."""
    server = Server(dsn=plain(target), side="target")
    assert len(os.sched_getaffinity(0)) == no_more_than_cores(server, 10_000)
    assert 1 == no_more_than_cores(server, 1)


def test_the_cores_counted_are_the_servers(target: Dsn) -> None:
    """Whoever is held to one core does not take the server for as small."""
    server, all_of_them = Server(dsn=plain(target), side="target"), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_of_them)})
    try:
        assert len(all_of_them) == no_more_than_cores(server, 10_000)
    finally:
        os.sched_setaffinity(0, all_of_them)


def test_a_server_elsewhere_gets_as_much_as_was_wanted(target: Dsn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel's end here says nothing about the machine behind it: no process of that number serves that port."""
    monkeypatch.setattr("pgcutover.edges.capacity.PROCESSES", "/nowhere")
    assert 10_000 == no_more_than_cores(Server(dsn=plain(target), side="target"), 10_000)
