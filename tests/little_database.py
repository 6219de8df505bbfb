"""A small database with one of everything that is hard to carry, and the joining of parts that copies it.

For tests of the copy: they fill it, copy it, and compare by themselves, without the code under test.
"""

import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.copying.crew import Crew
from pgcutover.edges.archive import open_archive
from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.copyfinish import CopyFinish
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.copystream import carry
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.postgres import Server
from pgcutover.edges.runrecord import cas_sql, ensure_records
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.planning.chunks import plan_chunks
from pgcutover.steps.ports_copy import Copier

LITTLE = """
CREATE SCHEMA app;
CREATE SCHEMA "Odd Schema";
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE app.point3 AS (x integer, y integer, label text);
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);

CREATE TABLE app.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED,
    name text COLLATE "C",
    mood app.mood DEFAULT 'ok',
    place app.point3,
    age app.positive,
    settings jsonb,
    tags text[],
    moods app.mood[],
    shout text GENERATED ALWAYS AS (upper(name)) STORED,
    born timestamptz,
    picture bytea
);
INSERT INTO app.customers (email, name, mood, place, age, settings, tags, moods, born, picture)
SELECT 'user' || i || '@example.com', CASE WHEN i % 7 = 0 THEN NULL ELSE E'näme\\t' || i || E'\\n"\\\\N' END,
       (ARRAY['sad', 'ok', 'happy']::app.mood[])[1 + i % 3], ROW(i, -i, 'p,' || i)::app.point3, i,
       jsonb_build_object('k', i, 'n', NULL, 'u', 'ü€'), ARRAY['a', NULL, 'NULL', 'b"' || i], ARRAY['sad']::app.mood[],
       '2020-01-01 00:00+00'::timestamptz + i * interval '1 hour 1 microsecond', decode(md5(i::text), 'hex')
  FROM generate_series(1, 500) AS i;

CREATE TABLE app.orders (
    id integer NOT NULL, customer bigint, placed date NOT NULL, total numeric(12, 2), weight double precision,
    CONSTRAINT orders_pkey PRIMARY KEY (id, placed)
) PARTITION BY RANGE (placed);
CREATE TABLE app.orders_old PARTITION OF app.orders FOR VALUES FROM (MINVALUE) TO ('2021-01-01');
CREATE TABLE app.orders_new PARTITION OF app.orders FOR VALUES FROM ('2021-01-01') TO (MAXVALUE)
    PARTITION BY LIST (id);
CREATE TABLE app.orders_new_odd PARTITION OF app.orders_new DEFAULT;
INSERT INTO app.orders SELECT i, 1 + i % 500, '2020-06-01'::date + i, i / 3.0, 1 / i::double precision
  FROM generate_series(1, 400) AS i;
CREATE INDEX orders_customer ON app.orders (customer);
ALTER TABLE app.orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES app.customers;

CREATE TABLE app.by_mood (mood app.mood NOT NULL, n integer) PARTITION BY HASH (mood);
CREATE TABLE app.by_mood_0 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE app.by_mood_1 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE app.by_mood_2 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO app.by_mood SELECT (ARRAY['sad', 'ok', 'happy']::app.mood[])[1 + i % 3], i FROM generate_series(1, 90) AS i;
CREATE INDEX ON app.by_mood (n);

CREATE TABLE app.regs (t regtype, c regclass, p regprocedure, many regtype[], r regrole);
INSERT INTO app.regs VALUES ('app.mood', 'app.customers', 'upper(text)', ARRAY['app.mood', 'integer']::regtype[], NULL);

CREATE TABLE "Odd Schema"."Odd ""Tab"" le" ("select" integer PRIMARY KEY, "two words" text, "Ünïcode" text);
INSERT INTO "Odd Schema"."Odd ""Tab"" le" VALUES (1, 'x', 'y'), (2, NULL, '');
CREATE INDEX "odd index" ON "Odd Schema"."Odd ""Tab"" le" ("two words");

CREATE TABLE app.nobody (id integer PRIMARY KEY);
CREATE TABLE app.no_columns ();
INSERT INTO app.no_columns SELECT FROM generate_series(1, 5);

CREATE TABLE app.dirty (id integer, customer bigint);
INSERT INTO app.dirty VALUES (1, 1), (2, 999999);
ALTER TABLE app.dirty ADD CONSTRAINT dirty_fkey FOREIGN KEY (customer) REFERENCES app.customers NOT VALID;
ALTER TABLE app.dirty ADD CONSTRAINT dirty_check CHECK (id < 2) NOT VALID;

CREATE TABLE app.animals (name text PRIMARY KEY);
CREATE TABLE app.dogs (barks boolean) INHERITS (app.animals);
INSERT INTO app.animals VALUES ('cat'), ('cow');
INSERT INTO app.dogs VALUES ('rex', true);

CREATE TABLE app.booked (room integer, during int4range, EXCLUDE USING gist (during WITH &&));
INSERT INTO app.booked SELECT i, int4range(i, i + 1) FROM generate_series(1, 20) AS i;
CREATE UNLOGGED TABLE app.cache (k text, v text);
INSERT INTO app.cache VALUES ('a', 'b');
CREATE STATISTICS app.placed_total ON placed, total FROM app.orders_old;

CREATE FUNCTION app.half(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n / 2';
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE INDEX customers_half ON app.customers (app.half(age)) WHERE age > 10;
CREATE TRIGGER noted BEFORE UPDATE ON app.customers FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE VIEW app.happy AS SELECT id, email FROM app.customers WHERE mood = 'happy';
CREATE VIEW app.counted AS SELECT id, email, count(*) FROM app.customers GROUP BY id;
CREATE RULE quiet AS ON DELETE TO app.nobody DO INSTEAD NOTHING;
CREATE TABLE app.private (id integer PRIMARY KEY, who text);
INSERT INTO app.private VALUES (1, 'me');
ALTER TABLE app.private ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.private USING (who = current_user);
CREATE MATERIALIZED VIEW app.first_sums AS SELECT customer, sum(total) AS total FROM app.orders GROUP BY customer;
CREATE UNIQUE INDEX ON app.first_sums (customer);
CREATE MATERIALIZED VIEW app.a_sum AS SELECT sum(total) AS total FROM app.first_sums;
CREATE MATERIALIZED VIEW app.unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE SEQUENCE app.tickets INCREMENT BY -5 MAXVALUE 1000 START 1000;
SELECT nextval('app.tickets'), nextval('app.tickets');
CREATE SEQUENCE app.untouched;
COMMENT ON TABLE app.customers IS 'who buys';
COMMENT ON INDEX app.orders_customer IS 'found by customer';
ANALYZE;
"""

RUN = "run-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LittleWorld:
    """What the steps of the copy ask for."""

    copier: Copier


def plain(dsn: Dsn) -> Dsn:
    """The same place without TLS, which the servers of the tests do not speak."""
    return dsn.with_options(sslmode="disable")


def run_sql(dsn: Dsn, text: str) -> None:
    writing = "-c default_transaction_read_only=off"
    with psycopg.connect(plain(dsn).url().reveal(), autocommit=True, options=writing) as connection:
        connection.execute(text.encode())


def rows_of(dsn: Dsn, text: str, **settings: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(plain(dsn).url().reveal(), autocommit=True) as connection:
        for name, value in {"search_path": "", **settings}.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        return connection.execute(text.encode()).fetchall()


def contents(dsn: Dsn) -> dict[str, tuple[int, str]]:
    """Count and digest of every table's rows: of their text, in its order.

    Of a partition tree hashed by an enum only the root is read: its rows belong to other partitions on another server.
    """
    with psycopg.connect(plain(dsn).url().reveal(), autocommit=True) as connection:
        connection.execute("SET search_path = ''")
        connection.execute("SET timezone = 'UTC'")
        tables = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated OR c.relname = 'by_mood')"
            " AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgcutover')"
            " AND c.relname !~ '^by_mood_' ORDER BY 1, 2"
        ).fetchall()
        found = {}
        for schema, name in tables:
            row = connection.execute(
                sql.SQL(
                    """SELECT count(*), md5(coalesce(string_agg(r::text, E'\\n' ORDER BY r::text COLLATE "C"), ''))
                       FROM {}{} AS r"""
                ).format(sql.SQL("" if name == "by_mood" else "ONLY "), sql.Identifier(schema, name))
            ).fetchone()
            assert row is not None
            found[f"{schema}.{name}"] = (row[0], row[1])
        return found


def definitions(dsn: Dsn) -> list[tuple[Any, ...]]:
    """Constraints, indexes, triggers, policies and rules, as the server words them."""
    return rows_of(
        dsn,
        """SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
             FROM pg_constraint WHERE conrelid <> 0 AND contype <> 'n' AND connamespace::regnamespace::text !~ 'pg|info'
           UNION ALL
           SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid
             FROM pg_index WHERE indrelid::regclass::text !~ '^(pg_|pgcutover)'
           UNION ALL
           SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), true
             FROM pg_trigger WHERE NOT tgisinternal
           UNION ALL
           SELECT 'policy', polrelid::regclass::text, polname, pg_get_expr(polqual, polrelid), true FROM pg_policy
           UNION ALL
           SELECT 'view', oid::regclass::text, '', pg_get_viewdef(oid), true FROM pg_class
            WHERE relkind IN ('v', 'm') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
           ORDER BY 1, 2, 3""",
    )


def take_run(dsn: Dsn, epoch: int, run_id: str = RUN) -> str:
    """Record that this epoch holds the run on the target; the statement that proves it."""
    with Server(dsn=plain(dsn), side="target").session("record") as session:
        ensure_records(session)
        session.execute(
            """INSERT INTO pgcutover.run (run_id, epoch, holder, host, pid) VALUES (%s, %s, 'test', 'here', 1)
               ON CONFLICT (run_id) DO UPDATE SET epoch = excluded.epoch""",
            (run_id, epoch),
        )
    return cas_sql(run_id, epoch)


def join(
    source: Dsn,
    target: Dsn,
    directory: Path,
    *,
    epoch: int = 1,
    crew: Crew | None = None,
    master: Dsn | None = None,
) -> LittleWorld:
    """Everything joined as the application does, but with workers in threads, which start at once.

    `master` is the login of the target's master on the same database; without it there is none.
    """
    source_server = Server(dsn=plain(source), side="source")
    target_server = Server(dsn=plain(target), side="target")
    claim = take_run(target, epoch)
    by_master = None if master is None else (lambda: Server(dsn=plain(master), side="target"))
    copy_target = CopyTarget(server=target_server, run_id=RUN, claim=claim, master=by_master)
    return LittleWorld(
        copier=Copier(
            run_id=RUN,
            epoch=epoch,
            claim=claim,
            source=CopySource(server=source_server),
            target=copy_target,
            finish=CopyFinish(target=copy_target),
            definitions=open_archive(
                directory / "schema.dump",
                source_server,
                target_server,
                directories=[binaries(16), binaries(18)],
                master=by_master,
            ),
            crew=lambda: crew or Crew(lambda: ThreadPoolExecutor(2), carry, size=2),
            jobs=2,
            builders=2,
            source_dsn=plain(source),
            target_dsn=plain(target),
        )
    )


def job(
    source: Dsn,
    target: Dsn,
    table: str,
    snapshot: str,
    *,
    epoch: int = 1,
    target_version: int = 160014,
    through: Mapping[str, Dsn] | None = None,
) -> ChunkJob:
    """The job for one table of the source, as the plan words it; the target's markers and run are made."""
    server = Server(dsn=plain(target), side="target")
    claim = take_run(target, epoch)
    CopyTarget(server=server, run_id=RUN, claim=claim).prepare()
    inventory = read_inventory(Server(dsn=plain(source), side="source"))
    (chunk,) = (c for c in plan_chunks(inventory, target_version=target_version) if c.name == table)
    ways = dict(through or {})
    return ChunkJob(
        run_id=RUN,
        epoch=epoch,
        chunks=(chunk,),
        snapshot=snapshot,
        source=ways.get("source", plain(source)),
        target=ways.get("target", plain(target)),
        claim=claim,
    )


@contextmanager
def snapshot_of(source: Dsn) -> Iterator[str]:
    with CopySource(server=Server(dsn=plain(source), side="source")).snapshot() as name:
        yield name


def carry_table(source: Dsn, target: Dsn, table: str, **options: Any) -> Copied:
    """Carry one table, in this process."""
    with snapshot_of(source) as snapshot:
        return carry(job(source, target, table, snapshot, **options))[0]


@contextmanager
def own_database(cluster: Cluster) -> Iterator[Dsn]:
    """A database and its owner, for several tests in turn; see `emptied`."""
    name = f"little_{secrets.token_hex(6)}"
    dsn = Dsn(host="127.0.0.1", port=cluster.port, user=name, password=Secret(secrets.token_hex(16)), database=name)
    role = sql.Identifier(name)
    with cluster.superuser() as session:
        session.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(dsn.password.reveal())))
        session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    yield dsn
    with cluster.superuser() as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(role))
        session.execute(sql.SQL("DROP ROLE {}").format(role))


def emptied(dsn: Dsn) -> Dsn:
    """The same database as if new: far quicker than a new one."""
    run_sql(
        dsn,
        f"""ALTER ROLE {dsn.user} RESET ALL;
            DROP SCHEMA IF EXISTS pgcutover, app, "Odd Schema" CASCADE;
            DROP SCHEMA public CASCADE;
            CREATE SCHEMA public""",
    )
    return dsn
