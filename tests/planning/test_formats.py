"""Binary or text, by type and version (traps.md T6)."""

import pytest

from pgcutover.facts.inventory import Column
from pgcutover.planning.formats import copy_format, extreme_columns, holds_object_names


def column(name: str, *, schema: str = "pg_catalog", kind: str = "b", generated: bool = False) -> Column:
    return Column(
        name="c",
        type_sql=name if schema == "pg_catalog" else f"{schema}.{name}",
        base_type=(schema, name.removesuffix("[]")),
        base_kind=kind,
        collation=None,
        generated=generated,
        identity=False,
        not_null=False,
    )


@pytest.mark.parametrize(
    ("found", "source", "target", "binary"),
    [
        (column("int4"), 160014, 180004, True),
        (column("jsonb"), 160014, 180004, True),
        (column("interval"), 160014, 160014, True),
        (column("interval"), 160014, 180004, True),
        (column("interval"), 180004, 160014, False),
        (column("interval"), 170002, 180004, True),
        (column("regclass"), 160014, 160014, False),
        (column("regtype"), 160014, 180004, False),
        (column("aclitem"), 160014, 160014, False),
        (column("mood", schema="app", kind="e"), 160014, 180004, True),
        (column("mood[]", schema="app", kind="e"), 160014, 160014, False),
        (column("point3", schema="app", kind="c"), 160014, 160014, False),
        (column("citext", schema="heroku_ext"), 160014, 160014, False),
        (column("int4range", kind="r"), 160014, 160014, False),
        (column("mood", schema="app", kind="e", generated=True), 160014, 160014, True),
    ],
)
def test_only_what_means_the_same_goes_as_binary(found: Column, source: int, target: int, binary: bool) -> None:
    """Built-in types of fixed meaning and enums are binary; OIDs, other types and moved extremes are text."""
    assert binary == copy_format([column("int4"), found], source_version=source, target_version=target).binary


def test_the_reason_names_the_column() -> None:
    """A table that goes as text says which column made it so."""
    form = copy_format([column("interval")], source_version=180004, target_version=160014)
    assert "column c is an interval" in form.reason


@pytest.mark.parametrize(
    ("found", "source", "target", "looked_at"),
    [
        (column("interval"), 160014, 180004, True),
        (column("span", schema="app", kind="c"), 160014, 180004, True),
        (column("mood", schema="app", kind="e"), 160014, 180004, False),
        (column("int4"), 160014, 180004, False),
        (column("interval"), 160014, 160014, False),
        (column("interval"), 180004, 180004, False),
    ],
)
def test_extreme_intervals_are_looked_for_on_the_way_up(
    found: Column, source: int, target: int, looked_at: bool
) -> None:
    """From below 17 to 17 or later, columns that are or may hold intervals are looked through; no others."""
    columns = extreme_columns([found], source_version=source, target_version=target)
    assert looked_at == bool(columns)


def test_object_names_are_seen() -> None:
    """A table with a reg* column is known to depend on the search path."""
    assert [True, False] == [holds_object_names([column("regproc")]), holds_object_names([column("text")])]
