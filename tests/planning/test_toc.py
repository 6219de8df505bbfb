"""Which entries of an archive are restored, and what each of them makes."""

import pytest

from pgcutover.facts.names import TableName
from pgcutover.planning.definitions import Section, Special, Thing, TocEntry, identified, index_owners, sift


def entry(kind: str, label: str, *, dump_id: int = 1, oid: int = 0, section: Section = "pre-data") -> TocEntry:
    return TocEntry(dump_id=dump_id, class_oid=9, oid=oid, section=section, kind=kind, label=label, line="")


@pytest.mark.parametrize(
    ("found", "kept", "matters"),
    [
        (entry("TABLE", "app t owner"), True, False),
        (entry("TABLE", "_heroku t owner"), False, False),
        (entry("FUNCTION", "_heroku create_ext() owner"), False, False),
        (entry("TABLE", "_heroku_like t owner"), True, False),
        (entry("TABLE", "pgcutover chunk owner"), False, False),
        (entry("EXTENSION", "- vector "), False, False),
        (entry("COMMENT", "- EXTENSION vector "), False, False),
        (entry("SCHEMA", "- heroku_ext owner"), False, False),
        (entry("SCHEMA", "- public owner"), False, False),
        (entry("SCHEMA", "- publicity owner"), True, False),
        (entry("SCHEMA", "- topology owner"), False, False),
        (entry("SCHEMA", "- app owner"), True, False),
        (entry("COMMENT", "- SCHEMA public owner"), False, True),
        (entry("COMMENT", '- SCHEMA "public" pg_database_owner'), False, True),
        (entry("COMMENT", '- EXTENSION "vector" '), False, False),
        (entry("COMMENT", "- SCHEMA app owner"), True, False),
        (entry("COMMENT", "app TABLE t owner"), True, False),
        (entry("EVENT TRIGGER", "- log_create_ext heroku_admin", oid=5), False, False),
        (entry("EVENT TRIGGER", "- audit owner", oid=6), True, False),
        (entry("PUBLICATION", "- p owner"), True, False),
        (entry("USER MAPPING", "- USER MAPPING u SERVER s owner"), False, False),
        (entry("SUBSCRIPTION", "- s owner"), False, True),
    ],
)
def test_what_is_not_the_application_s_is_left_out(found: TocEntry, kept: bool, matters: bool) -> None:
    """Heroku's, the extensions' and our own objects stay out; what a person should know of is marked."""
    parted = sift(
        [found],
        made_schemas=["topology"],
        special=[Special(way="heroku", class_oid=9, oid=5, remark="- EVENT TRIGGER x")],
    )
    assert (kept, matters) == (bool(parted.kept), any(out.matters for out in parted.left_out))


def thing(kind: str, name: str, *, oid: int, parent: str = "", class_oid: int = 9) -> Thing:
    return Thing(class_oid=class_oid, oid=oid, kind=kind, schema="app", parent=parent, name=name, valid=True)


def test_an_entry_is_known_by_its_oid_not_by_its_words() -> None:
    """A constraint's table and name are taken from the catalogue: in the listing they cannot be parted."""
    things = [thing("constraint", "b c", oid=7, parent="a"), thing("row security", "", oid=8, parent="t")]
    entries = [
        entry("CONSTRAINT", "app a b c owner", dump_id=1, oid=7),
        entry("ROW SECURITY", "app t owner", dump_id=2, oid=8),
        entry("COMMENT", "app TABLE t owner", dump_id=3),
    ]
    assert {1: things[0], 2: things[1]} == identified(entries, things)


def test_an_attachment_belongs_to_its_index_s_table() -> None:
    """INDEX ATTACH has no OID; its label names the partition's index."""
    things = [thing("index", "leaf_idx", oid=7, parent="leaf"), thing("index", "leaf_idx x", oid=8, parent="other")]
    entries = [
        entry("INDEX ATTACH", "app leaf_idx owner", dump_id=1),
        entry("INDEX ATTACH", "app leaf_idx x owner", dump_id=2),
    ]
    owners = index_owners(entries, things)
    assert {1: TableName(schema="app", name="leaf"), 2: TableName(schema="app", name="other")} == owners
