"""The databases that are copied: five shapes, each with what makes it hard. Sizes are factors of the full one.

Every value follows from a row's number, so two runs copy the same bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Statements = Iterator[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One database: what it is like, and the statements that make it at a size (1.0 is the full one)."""

    letter: str
    title: str
    make: Callable[[float], Statements]


def saas(size: float) -> Statements:
    """The mix of a company's application: 4 tables, 12.5 million rows, 12 indexes, one of them GIN; about 2.7 GB."""
    accounts, users, orders, events = (int(size * n) for n in (200_000, 1_300_000, 3_000_000, 8_000_000))
    yield """CREATE TABLE accounts (id bigint NOT NULL, name text NOT NULL, plan text NOT NULL,
        made_at timestamptz NOT NULL, settings jsonb NOT NULL)"""
    yield f"""INSERT INTO accounts SELECT i, 'Account ' || md5(i::text), (ARRAY['free','team','pro'])[1 + i % 3],
        timestamptz '2020-01-01 UTC' + i * interval '97 s', jsonb_build_object('a', i, 'b', md5(i::text), 'c', i % 7)
        FROM generate_series(1::bigint, {accounts}) AS i"""
    yield """CREATE TABLE users (id bigint NOT NULL, account_id bigint NOT NULL, email text NOT NULL,
        name text, about text, profile jsonb NOT NULL, seen_at timestamptz)"""
    yield f"""INSERT INTO users SELECT i, 1 + i * 7919 % {accounts},
        'user' || i || '@' || left(md5(i::text), 8) || '.com',
        'Name ' || md5((i * 3)::text), repeat(md5((i * 5)::text), 6),
        jsonb_build_object('lang', (ARRAY['en','de','fr','es'])[1 + i % 4], 'tags',
            jsonb_build_array('t' || i % 50, 't' || i % 31), 'level', i % 10, 'ref', md5((i / 10)::text)),
        timestamptz '2024-01-01 UTC' + i * interval '13 s' FROM generate_series(1::bigint, {users}) AS i"""
    yield """CREATE TABLE orders (id bigint NOT NULL, user_id bigint NOT NULL, account_id bigint NOT NULL,
        total numeric(12,2) NOT NULL, state text NOT NULL, placed_at timestamptz NOT NULL, note text)"""
    yield f"""INSERT INTO orders SELECT i, 1 + i * 104729 % {users}, 1 + i * 7919 % {accounts}, i % 100000 / 100.0,
        (ARRAY['new','paid','sent','done'])[1 + i % 4], timestamptz '2023-01-01 UTC' + i * interval '11 s',
        CASE WHEN i % 3 = 0 THEN 'note ' || md5(i::text) || md5((i * 2)::text) END
        FROM generate_series(1::bigint, {orders}) AS i"""
    yield """CREATE TABLE events (id bigint NOT NULL, user_id bigint NOT NULL, kind smallint NOT NULL,
        at timestamptz NOT NULL, value double precision)"""
    yield f"""INSERT INTO events SELECT i, 1 + i * 15485863 % {users}, i % 40,
        timestamptz '2023-06-01 UTC' + i * interval '2 s', i / 7.0 FROM generate_series(1::bigint, {events}) AS i"""
    for table in ("accounts", "users", "orders", "events"):
        yield f"ALTER TABLE {table} ADD PRIMARY KEY (id)"
    yield "CREATE UNIQUE INDEX users_email ON users (email)"
    yield "CREATE INDEX users_account ON users (account_id)"
    yield "CREATE INDEX users_profile ON users USING gin (profile jsonb_path_ops)"
    yield "CREATE INDEX orders_user ON orders (user_id)"
    yield "CREATE INDEX orders_account_placed ON orders (account_id, placed_at)"
    yield "CREATE INDEX orders_open ON orders (placed_at) WHERE state <> 'done'"
    yield "CREATE INDEX events_user ON events (user_id)"
    yield "CREATE INDEX events_at ON events (at)"
    yield "ALTER TABLE users ADD FOREIGN KEY (account_id) REFERENCES accounts"
    yield "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users"
    yield "ALTER TABLE events ADD FOREIGN KEY (user_id) REFERENCES users"


def giant(size: float) -> Statements:
    """One narrow table that is the whole database, with three indexes; about 600 MB."""
    columns = "id bigint NOT NULL, sensor int NOT NULL, at timestamptz NOT NULL, value real NOT NULL"
    yield f"CREATE TABLE readings ({columns})"
    yield f"""INSERT INTO readings SELECT i, i * 7919 % 10007, timestamptz '2022-01-01 UTC' + i * interval '1 s',
        i / 3.0
        FROM generate_series(1::bigint, {int(size * 5_500_000)}) AS i"""
    yield "ALTER TABLE readings ADD PRIMARY KEY (id)"
    yield "CREATE INDEX readings_sensor ON readings (sensor, at)"
    yield "CREATE INDEX readings_at ON readings (at)"


def many(size: float) -> Statements:
    """3,000 tables of 200 rows, each with a key, an index and a foreign key to the one before."""
    for n in range(int(size * 3_000)):
        yield f"CREATE TABLE t{n:04} (id int PRIMARY KEY, other int NOT NULL, name text NOT NULL, at timestamptz)"
        yield f"""INSERT INTO t{n:04} SELECT i, 1 + i * 7 % 200, md5(({n} * 200 + i)::text),
            timestamptz '2024-01-01 UTC' + i * interval '1 h' FROM generate_series(1, 200) AS i"""
        yield f"CREATE INDEX t{n:04}_name ON t{n:04} (name)"
        yield f"ALTER TABLE t{n:04} ADD FOREIGN KEY (other) REFERENCES t{max(n - 1, 0):04}"


def wide(size: float) -> Statements:
    """Long rows: jsonb and text, most of it out of line; about 600 MB."""
    yield """CREATE TABLE documents (id bigint NOT NULL, title text NOT NULL, body text NOT NULL, extra jsonb NOT NULL,
        scan bytea)"""
    yield "ALTER TABLE documents ALTER body SET STORAGE EXTERNAL"
    yield f"""INSERT INTO documents SELECT i, 'Document ' || i,
        (SELECT string_agg(md5((i * 100 + k)::text), ' ') FROM generate_series(1, 60 + i % 400) AS k),
        (SELECT jsonb_object_agg('k' || k, md5((i + k)::text)) FROM generate_series(1, 20) AS k),
        CASE WHEN i % 4 = 0 THEN decode(repeat(md5(i::text), 200), 'hex') END
        FROM generate_series(1::bigint, {int(size * 50_000)}) AS i"""
    yield "ALTER TABLE documents ADD PRIMARY KEY (id)"
    yield "CREATE INDEX documents_title ON documents (title)"


def keys(size: float) -> Statements:
    """20 tables and 40 foreign keys between them; about 600 MB."""
    rows = int(size * 250_000)
    for n in range(20):
        yield f"CREATE TABLE k{n:02} (id bigint NOT NULL, a bigint NOT NULL, b bigint NOT NULL, name text NOT NULL)"
        yield f"""INSERT INTO k{n:02} SELECT i, 1 + i * 7919 % {rows}, 1 + i * 104729 % {rows}, md5(i::text)
            FROM generate_series(1::bigint, {rows}) AS i"""
        yield f"ALTER TABLE k{n:02} ADD PRIMARY KEY (id)"
        yield f"CREATE INDEX k{n:02}_a ON k{n:02} (a)"
    for n in range(20):
        yield f"ALTER TABLE k{n:02} ADD FOREIGN KEY (a) REFERENCES k{(n + 1) % 20:02}"
        yield f"ALTER TABLE k{n:02} ADD FOREIGN KEY (b) REFERENCES k{(n + 7) % 20:02}"


SHAPES = {
    shape.letter: shape
    for shape in (
        Shape(letter="a", title="an application's mix", make=saas),
        Shape(letter="b", title="one giant narrow table", make=giant),
        Shape(letter="c", title="3,000 small tables", make=many),
        Shape(letter="d", title="wide rows", make=wide),
        Shape(letter="e", title="foreign keys", make=keys),
    )
}
