"""Large objects of two databases, compared by OID: what each holds, byte for byte, hashed by the servers.

Their owners and rights are compared with the definitions. It must only read. The invariant: an object that cannot be
read makes the whole comparison "could not verify", for it has no other name than its OID to be counted under.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgcutover.edges.moment import Moment
from pgcutover.edges.postgres import Connection, error_of, query
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit, Cost, Digest, RowDifference, RowDifferences, TableComparison

PIECE_BYTES = 16 * 2**20
"""Of one object at once: lo_get of more than 1 GB is refused, and the server holds a piece in memory."""
ROWS_AT_ONCE = 2000

LARGE_OBJECTS = ComparisonUnit(
    table=TableName(schema="pg_catalog", name="pg_largeobject"),
    tree=False,
    columns=("oid", "content"),
    key=("oid",),
    bytes_columns=frozenset(),
    source_columns=frozenset({"oid", "content"}),
    target_columns=frozenset({"oid", "content"}),
    data_bytes=0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Digests by OID, in its order."""

    objects: Mapping[int, bytes]
    error: str
    cost: Cost


def compare_large_objects(
    source: Moment, target: Moment, *, limit: int
) -> tuple[TableComparison, RowDifferences] | None:
    """Both sides' objects, with the differing ones counted and the first named. None where neither side has any.

    Raises:
        SourceError, TargetError: a server cannot be reached at all.
    """
    with ThreadPoolExecutor(2, thread_name_prefix="verify") as pool:
        try:
            ours, theirs = pool.map(_found, (source, target))
        except BaseException:
            source.cancel()
            target.cancel()
            raise
    if not (ours.objects or theirs.objects or ours.error or theirs.error):
        return None
    comparison = TableComparison(
        unit=LARGE_OBJECTS,
        source=None if ours.error else _digest(ours.objects),
        target=None if theirs.error else _digest(theirs.objects),
        error="; ".join(filter(None, (ours.error, theirs.error))),
        source_cost=ours.cost,
        target_cost=theirs.cost,
    )
    if comparison.error:
        return comparison, RowDifferences(unit=LARGE_OBJECTS, error=comparison.error)
    return comparison, _differences(ours.objects, theirs.objects, limit)


def _found(moment: Moment) -> _Found:
    began, held = time.monotonic(), 0
    objects: dict[int, bytes] = {}
    error = ""
    with moment.session() as connection:
        try:
            with connection.transaction():
                for oid, size, digest in _read(connection):
                    objects[oid] = digest
                    held += size
        except psycopg.Error as cause:
            if connection.closed:
                raise
            error = error_of(cause, moment.server.dsn, moment.server.side, "hashing large objects").message
    return _Found(objects=objects, error=error, cost=Cost(seconds=time.monotonic() - began, bytes=held))


def _read(connection: Connection) -> Iterator[tuple[int, int, bytes]]:
    statement = query("content_large_objects").format(piece=sql.Literal(PIECE_BYTES))
    with connection.cursor("large_objects") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        for oid, beginning, size in cursor.execute(statement):
            digest, whole = hashlib.sha256(beginning), size
            while size == PIECE_BYTES:
                piece, size = _piece(connection, oid, whole)
                digest.update(piece)
                whole += size
            yield oid, whole, digest.digest()


def _piece(connection: Connection, oid: int, offset: int) -> tuple[bytes, int]:
    statement = query("content_large_object_piece").format(
        oid=sql.Literal(oid), offset=sql.Literal(offset), piece=sql.Literal(PIECE_BYTES)
    )
    row = connection.execute(statement).fetchone()
    assert row is not None, "a SELECT of a function gives one row"
    return row[0], row[1]


def _digest(objects: Mapping[int, bytes]) -> Digest:
    """By OID and in its order, so that an object under another OID is another one."""
    text = hashlib.sha256()
    for oid, digest in objects.items():
        text.update(oid.to_bytes(8) + digest)
    return Digest(rows=len(objects), hash128=text.hexdigest()[:32])


def _differences(ours: Mapping[int, bytes], theirs: Mapping[int, bytes], limit: int) -> RowDifferences:
    missing = [oid for oid in ours if oid not in theirs]
    extra = [oid for oid in theirs if oid not in ours]
    different = [oid for oid in ours if oid in theirs and ours[oid] != theirs[oid]]
    named = [
        *(RowDifference(kind="missing", key=_key(oid)) for oid in missing[:limit]),
        *(RowDifference(kind="extra", key=_key(oid)) for oid in extra[:limit]),
        *(RowDifference(kind="different", key=_key(oid), columns=("content",)) for oid in different[:limit]),
    ]
    return RowDifferences(
        unit=LARGE_OBJECTS,
        missing=len(missing),
        extra=len(extra),
        different=len(different),
        first=tuple(named[:limit]),
    )


def _key(oid: int) -> tuple[tuple[str, str], ...]:
    return (("oid", str(oid)),)
