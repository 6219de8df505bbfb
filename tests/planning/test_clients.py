"""The choice of pg_dump and pg_restore by version (traps.md T17)."""

import pytest

from pgcutover.planning.clients import Chosen, Client, Unfit, choose


def both(*versions: int) -> list[Client]:
    return [
        Client(program=program, path=f"/{version}/{program}", version=version)
        for version in versions
        for program in ("pg_dump", "pg_restore")
    ]


@pytest.mark.parametrize(
    ("found", "source", "target", "dump", "restore"),
    [
        ((160014, 180004), 160014, 180004, 160014, 160014),
        ((160010, 180004), 160014, 180004, 180004, 180004),
        ((160014, 160010, 170002), 160012, 170000, 160014, 160014),
        ((150020, 160014), 150020, 160014, 150020, 150020),
        ((180000,), 160014, 180004, 180000, 180000),
        ((160014,), 160014, 160009, 160014, 160014),
    ],
)
def test_the_nearest_fit_is_chosen(found: tuple[int, ...], source: int, target: int, dump: int, restore: int) -> None:
    """The source's own major version is preferred, newest minor first; a newer one up to the target's will do."""
    choice = choose(both(*found), source_version=source, target_version=target)
    assert isinstance(choice, Chosen)
    assert (dump, restore) == (choice.dump.version, choice.restore.version)


@pytest.mark.parametrize(
    ("found", "source", "target", "words", "package"),
    [
        ((), 160014, 180004, "pg_dump was not found", "postgresql-client-16"),
        ((150020,), 160014, 180004, "15.20) is too old for the source, PostgreSQL 16", "postgresql-client-16"),
        ((180004,), 150020, 160014, "18.4) is too new for the target, PostgreSQL 16", "postgresql-client-15"),
        ((160010,), 160014, 160014, "16.10) is older than the source, PostgreSQL 16.14", "postgresql-client-16"),
        ((150020, 190001), 160014, 180004, "not between", "postgresql-client-16"),
        ((160014,), 170002, 160014, "the source runs PostgreSQL 17, the target 16", "PostgreSQL 17 or later"),
    ],
)
def test_a_refusal_says_why_and_what_to_install(
    found: tuple[int, ...], source: int, target: int, words: str, package: str
) -> None:
    """Too old, too new, missing: each has its own words, and the hint names what to install."""
    choice = choose(both(*found), source_version=source, target_version=target)
    assert isinstance(choice, Unfit)
    assert words in choice.message
    assert package in choice.hint


def test_pg_restore_is_not_newer_than_the_target() -> None:
    """pg_restore 18 sends transaction_timeout, at which a server 16 stops: it is refused although pg_dump fits."""
    found = [
        Client(program="pg_dump", path="/16/pg_dump", version=160014),
        Client(program="pg_restore", path="/18/pg_restore", version=180004),
    ]
    choice = choose(found, source_version=160014, target_version=160014)
    assert isinstance(choice, Unfit)
    assert "no pg_restore found (18.4)" in choice.message


def test_pg_restore_reads_the_archive_that_pg_dump_wrote() -> None:
    """A pg_restore older than pg_dump is not taken, for it cannot read a newer archive."""
    found = [
        Client(program="pg_dump", path="/16/pg_dump", version=160014),
        Client(program="pg_dump", path="/17/pg_dump", version=170002),
        Client(program="pg_restore", path="/17/pg_restore", version=170002),
    ]
    choice = choose(found, source_version=160010, target_version=180000)
    assert isinstance(choice, Chosen)
    assert (160014, 170002) == (choice.dump.version, choice.restore.version)
