"""T6: what binary COPY would corrupt in silence arrives as it was, from 16 to 18."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from little_database import emptied, job, own_database, rows_of, run_sql, snapshot_of
from pgcutover.edges.copystream import carry
from pgcutover.errors import SourceError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster

NAMES = """
CREATE TYPE public.mood AS ENUM ('ok');
CREATE TABLE public.here (id integer);
CREATE DOMAIN public.kind AS regtype;
CREATE TYPE public.pair AS (what regclass, n integer);
CREATE TABLE public.t (one regclass, many regtype[], kind public.kind, pair public.pair, f regprocedure);
"""
SHOWN = "SELECT one::text, many::text, kind::text, pair::text, f::text FROM public.t"

LARGEST = "interval '178956970 years 7 mons 2147483647 days 2562047788:00:54.775807'"
SMALLEST = f"(-{LARGEST} - interval '1 mon 1 day 1 microsecond')"


@pytest.fixture(scope="module")
def databases(cluster16: Cluster, cluster18: Cluster) -> Iterator[tuple[Dsn, Dsn]]:
    with own_database(cluster16) as source, own_database(cluster18) as target:
        yield source, target


@pytest.fixture
def pair(databases: tuple[Dsn, Dsn]) -> tuple[Dsn, Dsn]:
    return emptied(databases[0]), emptied(databases[1])


def test_names_of_objects_are_the_same_objects(pair: tuple[Dsn, Dsn]) -> None:
    """reg* values, also in arrays, domains and composites, name on the target what they named on the source; as
    binary they would be OIDs of the other database."""
    source, target = pair
    # So that the same objects have other OIDs.
    run_sql(target, "CREATE TABLE public.first (id integer)")
    for dsn in pair:
        run_sql(dsn, NAMES)
    run_sql(
        source,
        """INSERT INTO public.t VALUES ('public.here', ARRAY['public.mood', 'integer']::regtype[], 'public.mood',
                                        ROW('public.here', 1), 'pg_catalog.upper(text)')""",
    )
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot, target_version=180004)
        assert (False, True) == (words.chunks[0].binary, words.chunks[0].object_names)
        believed = replace(words, run_id="binary", chunks=(replace(words.chunks[0], binary=True, columns=("one",)),))
        carry(believed)
        assert rows_of(source, "SELECT one::text FROM public.t") != rows_of(target, "SELECT one::text FROM public.t")
        run_sql(target, "TRUNCATE public.t")
        carry(words)
    assert rows_of(source, SHOWN) == rows_of(target, SHOWN)


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ("interval", LARGEST),
        ("interval", SMALLEST),
        ("interval[]", f"ARRAY[{SMALLEST}]"),
        ("public.long", LARGEST),
        ("public.span", f"ROW(NULL, {LARGEST})::public.span"),
    ],
)
def test_the_largest_interval_does_not_become_infinite(definition: str, value: str, pair: tuple[Dsn, Dsn]) -> None:
    """Its bytes and its text mean infinity from 17 on: it is refused, where the target would believe it."""
    source, target = pair
    for dsn in pair:
        run_sql(
            dsn,
            f"""CREATE TYPE public.span AS (at date, i interval);
                CREATE DOMAIN public.long AS interval;
                CREATE TABLE public.t (i {definition})""",
        )
    run_sql(source, f"INSERT INTO public.t VALUES ({value})")
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot, target_version=180004)
        with pytest.raises(SourceError, match=r"public\.t holds the largest or the smallest interval"):
            carry(words)
        assert [(0,)] == rows_of(target, "SELECT count(*) FROM public.t")
        carry(replace(words, chunks=(replace(words.chunks[0], extremes=()),)))
    assert [(True,)] == rows_of(target, "SELECT i::text ~ 'infinity' FROM public.t")


def test_ordinary_intervals_cross_from_16_to_18(pair: tuple[Dsn, Dsn]) -> None:
    """Positive, negative and mixed intervals arrive to the microsecond."""
    source, target = pair
    for dsn in pair:
        run_sql(dsn, "CREATE TABLE public.t (i interval)")
    run_sql(
        source,
        "INSERT INTO public.t VALUES ('1 year 2 mons -3 days +04:05:06.000007'), ('-178000000 years'), ('0'), (NULL)",
    )
    with snapshot_of(source) as snapshot:
        carry(job(source, target, "public.t", snapshot, target_version=180004))
    statement = "SELECT i::text FROM public.t ORDER BY i"
    assert rows_of(source, statement) == rows_of(target, statement)
