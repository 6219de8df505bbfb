"""What cannot be carried is named before anything is touched: by kind, with what uses it and what to do."""

from collections.abc import Iterator

import pytest
from everything_database import Held, fill, source_database

from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.postgres import Server
from pgcutover.facts.inventory import Blocker, DatabaseInventory
from pgcutover.lab.clusters import Cluster


@pytest.fixture(scope="module")
def everything(cluster16: Cluster) -> Iterator[Held]:
    with source_database(cluster16) as held:
        fill(held, heroku=True)
        yield held


def inventory_of(held: Held) -> DatabaseInventory:
    return read_inventory(Server(dsn=held.dsn, side="source"))


def about(blockers: tuple[Blocker, ...], words: str) -> Blocker:
    found = [b for b in blockers if words in b.what]
    assert 1 == len(found), [b.what for b in blockers]
    return found[0]


def test_nothing_of_the_fixture_stops_the_move(everything: Held) -> None:
    """What is carried is no reason to refuse, nor is what Heroku keeps beside it; what arrives otherwise is told."""
    found = inventory_of(everything).blockers
    assert [] == [b.what for b in found if b.stops and "bypass" not in b.what]
    assert "foreign tables app.far, app.far_child" in about(found, "foreign tables").what
    assert 'event triggers Watch "drop", watch_end' in about(found, "event triggers").what
    assert "455 large objects" in about(found, "large objects").what
    assert "app.no_rows" in about(found, "taken from itself").what
    assert "app.joined" in about(found, "another order").what
    assert "_heroku" not in " ".join(b.what for b in found)


UNUSUAL = (
    "operator class app.backwards_ops USING btree (used by index app.no_key_backwards)",
    "operator family app.lone_family USING btree",
    "type app.own_base (used by column v of table app.of_own_base",
    "cast (app.own_base AS integer)",
    "cast (pg_catalog.text AS pg_catalog.point)",
    "text search template app.own_template (used by text search dictionary app.of_own_template",
    "foreign-data wrapper nobodys (used by server of_nobody)",
    "access method own_heap (used by table app.in_own_heap)",
    "function app.windowed()",
)


def test_what_only_a_superuser_may_make_is_refused_by_name(cluster16: Cluster) -> None:
    """Operator classes, base types, casts, templates, wrappers, access methods, C functions: each with what uses it."""
    with source_database(cluster16) as held:
        fill(held)
        held.psql("superuser", superuser=True)
        held.run(f'GRANT USAGE ON LANGUAGE plpgsql TO "{held.dsn.user}"')
        found = inventory_of(held).blockers
    stop = about(found, "only a superuser may create")
    assert stop.stops
    assert ([], stop.what) == ([name for name in UNUSUAL if name not in stop.what], stop.what)
    assert "app.float_range" not in stop.what
    assert "sepgsql on table app.customers" in about(found, "security labels").what
    assert "language plpgsql" in about(found, "objects of extensions").what
    assert "everything_reader on of_nobody" in about(found, "user mappings").what


def test_an_extension_is_listed_with_what_uses_it(cluster16: Cluster) -> None:
    """So that a refusal can say what stands in the way."""
    with source_database(cluster16) as held:
        held.run("CREATE EXTENSION vector; CREATE TABLE items (id integer, v vector(3))")
        held.run("CREATE VIEW w AS SELECT v FROM items")
        (found,) = (e for e in inventory_of(held).extensions if e.name == "vector")
    assert ("column v of table public.items", "column v of view public.w") == found.used_by
