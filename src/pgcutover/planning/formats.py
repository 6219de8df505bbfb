"""In which format COPY may carry a table: binary only where the bytes mean the same on both servers; traps.md T6.

Pure. Invariant: a type that is not on the list below goes as text, for text is parsed by the type's own input function
and an unknown value is an error there, while binary is believed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pgcutover.facts.inventory import Column
from pgcutover.facts.names import TableName

CATALOG = "pg_catalog"

# Built-in base types whose binary form holds neither OIDs of the database nor anything that changed between the
# versions we move between. `interval` is judged apart; reg* types are absent on purpose (they are OIDs), and so is
# aclitem, which has no binary form. https://www.postgresql.org/docs/current/datatype.html
_SAME = (
    "bit bool bpchar box bytea char cidr circle date float4 float8 inet int2 int4 int8 json jsonb line lseg macaddr "
    "macaddr8 money name numeric oid path pg_lsn point polygon text time timestamp timestamptz timetz tsquery tsvector "
    "uuid varbit varchar xid8"
)
SAME_BINARY = frozenset(_SAME.split())

# In 17 the largest interval became infinity; below it the same bytes are a number.
# https://www.postgresql.org/docs/17/release-17.html
INFINITE_INTERVALS_SINCE = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """`binary`, and the phrase that says why not."""

    binary: bool
    reason: str = ""


def copy_format(columns: Iterable[Column], *, source_version: int, target_version: int) -> Format:
    """The format for a table with these columns; generated columns are not copied and do not count."""
    downward = source_version // 10000 >= INFINITE_INTERVALS_SINCE > target_version // 10000
    for column in columns:
        if column.generated:
            continue
        schema, name = column.base_type
        if _is_enum(column):
            continue
        if schema != CATALOG or column.base_kind != "b":
            return Format(binary=False, reason=f"column {column.name} is of type {column.type_sql}, not built in")
        if name == "interval" and downward:
            # Text, so that an infinity is refused and not read as a number.
            return Format(
                binary=False, reason=f"column {column.name} is an interval, which was never infinite before 17"
            )
        if name not in SAME_BINARY and name != "interval":
            return Format(binary=False, reason=f"type {name} of column {column.name} differs between databases")
    return Format(binary=True)


def _is_enum(column: Column) -> bool:
    """An enum itself: its bytes are the label. Those of an array of them begin with the type's OID, which is another
    on another server. https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/enum.c
    """
    schema, name = column.base_type
    return column.base_kind == "e" and column.type_sql == TableName(schema=schema, name=name).spelt


def extreme_columns(columns: Iterable[Column], *, source_version: int, target_version: int) -> tuple[str, ...]:
    """Columns in which a largest or smallest interval would become infinite on the target, in either format.

    Types of the database that have parts may hold intervals too; their parts are not known here, so they count.
    """
    if not source_version // 10000 < INFINITE_INTERVALS_SINCE <= target_version // 10000:
        return ()
    return tuple(
        c.name
        for c in columns
        if not c.generated
        and (c.base_type == (CATALOG, "interval") or (c.base_type[0] != CATALOG and c.base_kind in "crm"))
    )


def holds_object_names(columns: Iterable[Column]) -> bool:
    """Whether a column is of a reg* type: its text is read back as a name, so the search path matters to it."""
    return any(c.base_type[0] == CATALOG and c.base_type[1].startswith("reg") for c in columns)
