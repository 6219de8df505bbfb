"""T17: programs that do not fit are refused, and the canary finds days ahead what the versions do not tell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from little_database import LITTLE, own_database, plain, rows_of, run_sql
from pgcutover.edges.archive import fit_tools
from pgcutover.edges.pgtools import canary, dump_schema, find_clients, read_toc
from pgcutover.errors import ToolError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.planning.clients import Chosen, Client
from pgcutover.planning.definitions import TocEntry, sift

BOTH = (binaries(16), binaries(18))


@pytest.fixture(scope="module")
def source(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        run_sql(dsn, LITTLE)
        yield plain(dsn)


def tool(program: str, major: int) -> Client:
    return next(c for c in find_clients(BOTH) if c.program == program and c.major == major)


def dumped(source: Dsn, client: Client, directory: Path) -> tuple[Path, tuple[TocEntry, ...]]:
    archive = directory / "schema.dump"
    dump_schema(client, source, archive, server_version=160014)
    return archive, sift(read_toc(tool("pg_restore", client.major), archive)).kept


@pytest.mark.parametrize("target_major", [16, 18])
def test_the_tools_that_fit_pass_the_canary(
    target_major: int, source: Dsn, cluster16: Cluster, cluster18: Cluster, tmp_path: Path
) -> None:
    """Every definition of the database is made in a scratch database of the target, indexes and triggers too."""
    version = {16: 160014, 18: 180004}[target_major]
    tools = fit_tools(BOTH, source_version=160014, target_version=version)
    assert (16, 16) == (tools.dump.major, tools.restore.major)
    archive, entries = dumped(source, tools.dump, tmp_path)
    with own_database(cluster16 if target_major == 16 else cluster18) as scratch:
        canary(tools, archive, entries, plain(scratch), server_version=version)
        for catalogue in ("pg_trigger WHERE NOT tgisinternal", "pg_policy", "pg_constraint WHERE contype = 'f'"):
            statement = f"SELECT count(*) FROM {catalogue}"
            assert rows_of(source, statement) == rows_of(scratch, statement)


def test_versions_that_do_not_fit_are_refused_before_anything(tmp_path: Path) -> None:
    """Programs of 16 and 18 are too new for a target 15, and the machine's own of 15 may be too old for the source: the
    error says so and names the package."""
    with pytest.raises(ToolError, match=r"too new for the target, PostgreSQL 15|pg_dump") as caught:
        fit_tools(BOTH, source_version=150099, target_version=150099)
    assert "postgresql-client-15" in caught.value.hint


def test_why_they_are_refused(source: Dsn, cluster16: Cluster, tmp_path: Path) -> None:
    """Without it: pg_restore 18 sends a setting that a server 16 does not know, and stops; the canary tells."""
    unfit = Chosen(dump=tool("pg_dump", 18), restore=tool("pg_restore", 18))
    archive, entries = dumped(source, unfit.dump, tmp_path)
    with own_database(cluster16) as scratch, pytest.raises(ToolError, match="transaction_timeout") as caught:
        canary(unfit, archive, entries, plain(scratch), server_version=160014)
    assert "newer than the server" in caught.value.hint


def test_the_canary_finds_what_the_target_lacks(source: Dsn, cluster18: Cluster, tmp_path: Path) -> None:
    """A definition that cannot be made on the target fails now, with its words, and not under the fence."""
    run_sql(source, "CREATE POLICY theirs ON app.private TO " + source.user)
    try:
        tools = fit_tools(BOTH, source_version=160014, target_version=180004)
        archive, entries = dumped(source, tools.dump, tmp_path)
    finally:
        run_sql(source, "DROP POLICY theirs ON app.private")
    with (
        own_database(cluster18) as scratch,
        pytest.raises(ToolError, match=f'role "{source.user}" does not exist'),
    ):
        canary(tools, archive, entries, plain(scratch), server_version=180004)
