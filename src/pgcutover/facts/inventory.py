"""What a database holds and how it is set up, as read from its catalogues at one moment. Values only."""

from dataclasses import dataclass
from typing import Literal

from pgcutover.facts.names import TableName

TableKind = Literal["table", "partitioned", "foreign"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One live column, in attribute order.

    `base_type` is the type after domains and arrays are peeled off (schema, name); `base_kind` is pg_type.typtype of
    it: b base, c composite, e enum, r range, m multirange.
    """

    name: str
    type_sql: str
    base_type: tuple[str, str]
    base_kind: str
    collation: str | None
    """Name of the collation, 'default' for the database's; None where the type has none."""
    generated: bool
    identity: bool
    not_null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionKey:
    """How a partitioned table is split, and the columns it is split by ('' stands for an expression)."""

    strategy: Literal["list", "range", "hash"]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An ordinary, partitioned or foreign table. `parent` is set for partitions, `inherits` for plain inheritance."""

    name: TableName
    oid: int
    kind: TableKind
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns of the primary key, else of a unique, non-partial, NOT NULL index; () where there is none."""
    owner: str
    parent: TableName | None
    inherits: tuple[TableName, ...]
    partition_key: PartitionKey | None
    relfilenode: int
    unlogged: bool
    row_security: bool
    rows_estimate: int
    heap_bytes: int
    toast_bytes: int
    index_bytes: int
    index_count: int

    @property
    def holds_rows(self) -> bool:
        """Whether rows stand in it (a partitioned or foreign table holds none here)."""
        return self.kind == "table"

    @property
    def data_bytes(self) -> int:
        return self.heap_bytes + self.toast_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    name: TableName
    last_value: int
    is_called: bool
    increment: int
    minimum: int
    maximum: int
    cycles: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    name: str
    version: str
    schema: str
    used_by: tuple[str, ...] = ()
    """The first few things that need it, in the server's words; () when nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of pg_db_role_setting; role or database is '' for "any"."""

    role: str
    database: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One privilege, as aclexplode gives it.

    Only objects are listed whose privileges differ from what a new object of their owner has, and then all of their
    privileges, the owner's own among them: what is not listed for a listed object was revoked. An object that lost even
    the last privilege is listed once, with an empty `privilege`.

    `kind` is table, sequence, schema, function, type or default; `object_sql` is the object quoted and with its schema
    (for a function with its argument types; GRANT it as a ROUTINE); `column` is set for column grants; grantee 'PUBLIC'
    stands for everyone; for `default`, object_sql is the object class (TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS),
    `schema` where it applies ('' for all), and `owner` the role whose new objects get it.
    """

    kind: str
    schema: str
    object_sql: str
    column: str
    owner: str
    grantor: str
    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Something in the source that this version cannot move, with what to do about it.

    One that does not `stop` the move is to be shown and accepted: it stays behind, or arrives changed.
    """

    what: str
    hint: str
    stops: bool = True
    of_the_move: bool = False
    """It concerns the fence, or what a move says; a copy with no move around it does not mind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What of a database rows alone do not bring; each as in an inventory."""

    sequences: tuple[Sequence, ...]
    settings: tuple[Setting, ...]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseInventory:
    """One database at one moment. Objects of extensions, `_heroku` and pgcutover itself are not in it."""

    version: int
    """server_version_num, for example 160014."""
    database: str
    owner: str
    encoding: str
    collate: str
    ctype: str
    locale_provider: str
    """libc, icu or builtin."""
    locale: str
    """The locale of the icu or builtin provider; '' for libc."""
    system_identifier: str
    database_bytes: int
    max_connections: int
    connection_limit: int
    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    extensions: tuple[Extension, ...]
    materialised_views: tuple[TableName, ...]
    settings: tuple[Setting, ...]
    grants: tuple[Grant, ...]
    roles: tuple[str, ...]
    """Roles other than the owner, built-in roles and superusers that are granted something here or own objects."""
    search_path: str
    fingerprint: str
    """Digest of the definitions of every table, column, index, constraint, trigger, view, function and type."""
    blockers: tuple[Blocker, ...]

    @property
    def major(self) -> int:
        return self.version // 10000

    @property
    def data_bytes(self) -> int:
        return sum(t.data_bytes for t in self.tables)

    @property
    def index_bytes(self) -> int:
        return sum(t.index_bytes for t in self.tables)

    @property
    def rows_estimate(self) -> int:
        """Each row once: what the server knows of a partitioned table is the sum of its partitions."""
        return sum(max(t.rows_estimate, 0) for t in self.tables if t.holds_rows)
