"""What the planner of one server knows of a table's columns, on its way to another server. Values only."""

from dataclasses import dataclass

from pgcutover.facts.names import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """Of every column of one table, and of every expression of its indexes.

    `document` is what the source's server made of it, JSON, read by the target's server only. `orders` are the orders
    in which values stand in it: a type, and a collation where it has one, as both servers spell them.
    """

    table: TableName
    document: str
    orders: tuple[str, ...]
