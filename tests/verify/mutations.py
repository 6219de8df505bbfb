"""Single changes to a target, each with the differences that a comparison must report, and nothing else.

A difference is named as `named` names it: a definition by its kind and name, a table's rows by 'rows:table', a sequence
by 'behind:name'.
"""

# ruff: noqa: E501 - a mutation to a line, where it can be, is read best.
from dataclasses import dataclass

from pgcutover.facts.proof import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """`statements` are run by a superuser; {owner}, {other} and {database} are names; 18 with `since` 18 only."""

    name: str
    statements: str
    found: tuple[str, ...]
    since: int = 16
    told: bool = False
    """It is reported, but does not make the databases different."""


def named(proof: Proof) -> list[str]:
    """Everything that a proof reports, as names."""
    rows = [f"rows:{t.unit}" for t in proof.tables if not t.equal]
    return sorted([*rows, *(d.name for d in proof.definitions), *(f"behind:{s}" for s in proof.sequences_behind)])


def decided(proof: Proof) -> list[str]:
    """The same without what does not make the databases different."""
    undecided = {d.name for d in proof.definitions if not d.decisive}
    return [name for name in named(proof) if name not in undecided]


def rows(name: str, statements: str, *tables: str) -> Mutation:
    return Mutation(name=name, statements=statements, found=tuple(f"rows:app.{t}" for t in tables or ("items",)))


def items(name: str, change: str, row: int = 1) -> Mutation:
    return rows(name, f"UPDATE app.items SET {change} WHERE id = {row}")


def made(name: str, statements: str, *found: str, since: int = 16, told: bool = False) -> Mutation:
    return Mutation(name=name, statements=statements, found=found, since=since, told=told)


TABLE = "table:app.items"

ROWS = (
    items("one value", "name = 'One'"),
    items("a NULL turned to ''", "note = ''"),
    items("'' turned to NULL", "note = NULL", 3),
    items("-0.0 turned to 0.0", "ratio = 0.0"),
    items("NaN turned to NULL", "ratio = NULL", 2),
    items("one bit of a float", "ratio = ratio * (1 - 1.2e-16)", 3),
    items("a trailing space in text", "note = note || ' '", 2),
    items("a leading space in char", "code = ' ab'"),
    items("values swapped between columns", "alike = other, other = alike"),
    items("numeric scale 1.0 for 1.00", "price = 1.0", 2),
    items("numeric 0.00 for 0", "price = 0", 3),
    items("a microsecond", "moment = moment + '1 microsecond'"),
    items("infinity turned to -infinity", "moment = '-infinity'", 2),
    items("one bit of bytea", "raw = set_bit(raw, 0, 1)"),
    items("an empty bytea turned to NULL", "raw = NULL", 2),
    items("order of keys in json", 'doc = \'{{"b": 2, "a": 1}}\''),
    items("a space in json", 'doc = \'{{"a":1, "b": 2}}\''),
    items("a value in jsonb", 'doc_b = \'{{"a": 1, "b": 3}}\''),
    items("empty array turned to NULL", "tags = NULL"),
    items("NULL in an array turned to 'NULL'", "tags = ARRAY['NULL']", 3),
    items("another label of an enum", "mood = 'happy'"),
    items("a field of a composite", "place.number = 2"),
    items("a composite of NULLs turned to NULL", "place = NULL", 3),
    items("a combining character for a composed one", "alike = U&'e\\0301'"),
    rows("a row lost", "DELETE FROM app.lines WHERE item = 2", "lines"),
    rows("a row doubled", "INSERT INTO app.lines OVERRIDING USER VALUE SELECT item, 0, word FROM app.lines WHERE item = 2", "lines"),
    rows("a duplicate lost and another row doubled", "UPDATE app.lines SET n = 3 WHERE n = 1", "lines"),
    rows("a row in an empty table", "INSERT INTO app.empty DEFAULT VALUES", "empty"),
    rows("a row moved from child to parent", "INSERT INTO app.parent VALUES (1)", "parent"),
    rows("a row moved between partitions", "UPDATE app.parts SET at = 12 WHERE at = 1", "parts_1", "parts_2"),
    rows("a row of an unlogged table", "INSERT INTO app.fleeting VALUES (1)", "fleeting"),
    made("a byte of a large object", "SELECT lo_put(777000, 1, '\\x03')", "rows:pg_catalog.pg_largeobject"),
    made("a large object lost", "SELECT lo_unlink(777000)", "comment:on large object 777000",
         "rights:on large object 777000", "rows:pg_catalog.pg_largeobject"),
)  # fmt: skip

TABLES = (
    made("a column default", "ALTER TABLE app.items ALTER name SET DEFAULT 'other'", TABLE),
    made("a column default dropped", "ALTER TABLE app.items ALTER name DROP DEFAULT", TABLE),
    made("NOT NULL dropped", "ALTER TABLE app.parts ALTER at DROP NOT NULL", "table:app.parts", "table:app.parts_1",
         "table:app.parts_2", "constraint:app.parts.parts_at_not_null", "constraint:app.parts_1.parts_at_not_null",
         "constraint:app.parts_2.parts_at_not_null"),
    made("type of a column", "ALTER TABLE app.empty ALTER a TYPE bigint", "table:app.empty"),
    made("length of a varchar", "ALTER TABLE app.lines ALTER word TYPE varchar(21)", "table:app.lines"),
    made("collation of a column", "ALTER TABLE app.empty ALTER b TYPE text COLLATE \"C\"", "table:app.empty"),
    made("order of columns", "DROP TABLE app.empty; SET ROLE {owner}; CREATE TABLE app.empty (b text, a integer); "
         "CREATE RULE quiet AS ON DELETE TO app.empty DO INSTEAD NOTHING; GRANT SELECT ON app.empty TO {other}",
         "table:app.empty", "rights:on table app.empty"),
    made("generated expression", "ALTER TABLE app.items DROP double; ALTER TABLE app.items ADD double integer "
         "GENERATED ALWAYS AS (2 * id) STORED", TABLE),
    made("generation dropped", "ALTER TABLE app.items ALTER double DROP EXPRESSION", TABLE),
    made("identity kind", "ALTER TABLE app.lines ALTER n SET GENERATED ALWAYS", "table:app.lines"),
    made("storage", "ALTER TABLE app.items ALTER note SET STORAGE EXTENDED", TABLE),
    made("compression", "ALTER TABLE app.items ALTER raw SET COMPRESSION DEFAULT", TABLE),
    made("statistics target", "ALTER TABLE app.items ALTER name SET STATISTICS 51", TABLE),
    made("option of a column", "ALTER TABLE app.items ALTER price SET (n_distinct = 8)", TABLE),
    made("fillfactor", "ALTER TABLE app.items SET (fillfactor = 81)", TABLE),
    made("a storage parameter of TOAST", "ALTER TABLE app.items SET (toast.autovacuum_enabled = false)", TABLE),
    made("replica identity", "ALTER TABLE app.items REPLICA IDENTITY DEFAULT", TABLE),
    made("row security off", "ALTER TABLE app.items DISABLE ROW LEVEL SECURITY", TABLE),
    made("row security forced", "ALTER TABLE app.empty FORCE ROW LEVEL SECURITY", "table:app.empty"),
    made("unlogged made logged", "ALTER TABLE app.fleeting SET LOGGED", "table:app.fleeting"),
    made("inheritance ended", "ALTER TABLE app.child NO INHERIT app.parent", "table:app.child"),
    made("bound of a partition", "ALTER TABLE app.parts DETACH PARTITION app.parts_2; ALTER TABLE app.parts ATTACH "
         "PARTITION app.parts_2 FOR VALUES FROM (10) TO (21)", "table:app.parts_2"),
    made("a constraint dropped", "ALTER TABLE app.items DROP CONSTRAINT priced", "constraint:app.items.priced",
         "comment:on table constraint priced on app.items"),
    made("a constraint not validated", "ALTER TABLE app.items DROP CONSTRAINT priced; ALTER TABLE app.items ADD "
         "CONSTRAINT priced CHECK (price >= 0) NOT VALID; COMMENT ON CONSTRAINT priced ON app.items IS 'a rule'",
         "constraint:app.items.priced"),
    made("a foreign key validated", "ALTER TABLE app.lines VALIDATE CONSTRAINT of_item", "constraint:app.lines.of_item"),
    made("what a foreign key does", "ALTER TABLE app.lines DROP CONSTRAINT of_item; ALTER TABLE app.lines ADD CONSTRAINT "
         "of_item FOREIGN KEY (item) REFERENCES app.items ON DELETE CASCADE NOT VALID", "constraint:app.lines.of_item"),
    made("a foreign key switched off", "ALTER TABLE app.lines DISABLE TRIGGER ALL", "enforcement:app.lines.of_item"),
    made("deferrable", "ALTER TABLE app.lines ALTER CONSTRAINT of_item DEFERRABLE", "constraint:app.lines.of_item"),
    made("a unique constraint made an index", "ALTER TABLE app.items DROP CONSTRAINT named; CREATE UNIQUE INDEX named ON "
         "app.items (name)", "constraint:app.items.named"),
    made("a table only there", "SET ROLE {owner}; CREATE TABLE app.more (id integer)", "table:app.more", "rows:app.more"),
    made("a table lost", "DROP TABLE app.fleeting", "table:app.fleeting", "rows:app.fleeting"),
    made("an index missing", "DROP INDEX app.by_price", "index:app.by_price"),
    made("an index not valid", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.by_price'::regclass",
         "index:app.by_price", "invalid index:app.by_price"),
    made("predicate of an index", "DROP INDEX app.by_price; CREATE INDEX by_price ON app.items (price) WHERE price >= 0",
         "index:app.by_price"),
    made("order in an index", "DROP INDEX app.by_price; CREATE INDEX by_price ON app.items (price DESC) WHERE price > 0",
         "index:app.by_price"),
    made("an index no longer unique", "DROP INDEX app.by_item; CREATE INDEX by_item ON app.lines (item, n)",
         "index:app.by_item"),
    made("not clustered", "ALTER TABLE app.items SET WITHOUT CLUSTER", "index:app.by_upper"),
    made("statistics object", "DROP STATISTICS app.together; CREATE STATISTICS app.together (mcv) ON id, price FROM "
         "app.items; ALTER STATISTICS app.together OWNER TO {owner}", "statistics:app.together"),
    made("a trigger disabled", "ALTER TABLE app.items DISABLE TRIGGER touch", "trigger:app.items.touch"),
    made("a trigger enabled for replicas", "ALTER TABLE app.items ENABLE REPLICA TRIGGER touch", "trigger:app.items.touch"),
    made("a trigger disabled on one partition", "ALTER TABLE app.parts_1 DISABLE TRIGGER touch_parts",
         "trigger:app.parts_1.touch_parts"),
    made("a rule disabled", "ALTER TABLE app.empty DISABLE RULE quiet", "rule:app.empty.quiet"),
    made("a policy's role", "ALTER POLICY own ON app.items TO PUBLIC", "policy:app.items.own"),
    made("a policy's condition", "ALTER POLICY own ON app.items USING (id > 1)", "policy:app.items.own"),
    made("a NOT NULL constraint's name", "ALTER TABLE app.since_18 RENAME CONSTRAINT id_there TO id_here",
         "constraint:app.since_18.id_there", "constraint:app.since_18.id_here", since=18),
    made("a NOT NULL constraint that is inherited", "ALTER TABLE app.since_18 ALTER CONSTRAINT later INHERIT",
         "constraint:app.since_18.later", since=18),
    made("a constraint that is enforced", "ALTER TABLE app.since_18 DROP CONSTRAINT loose; ALTER TABLE app.since_18 ADD "
         "CONSTRAINT loose CHECK (w > 0)", "constraint:app.since_18.loose", since=18),
    made("a virtual column's expression", "ALTER TABLE app.virtual_18 ALTER v SET EXPRESSION AS (id + 2)",
         "table:app.virtual_18", since=18),
)  # fmt: skip

CODE = (
    made("a function's body by one space", "CREATE OR REPLACE FUNCTION app.price(n integer DEFAULT 1) RETURNS integer "
         "LANGUAGE plpgsql SET search_path = app, pg_temp AS $$ begin return n *  2; end $$",
         "function:app.price(integer)"),
    made("SECURITY DEFINER lost", "ALTER FUNCTION app.secret() SECURITY INVOKER", "function:app.secret()"),
    made("search_path of a function", "ALTER FUNCTION app.price(integer) SET search_path = app", "function:app.price(integer)"),
    made("volatility", "ALTER FUNCTION app.secret() IMMUTABLE", "function:app.secret()"),
    made("a default argument", "DROP FUNCTION app.price(integer); CREATE FUNCTION app.price(n integer DEFAULT 2) RETURNS "
         "integer LANGUAGE plpgsql SET search_path = app, pg_temp AS $$ begin return n * 2; end $$; "
         "ALTER FUNCTION app.price(integer) OWNER TO {owner}; REVOKE ALL ON FUNCTION app.price(integer) FROM PUBLIC; "
         "GRANT ALL ON FUNCTION app.price(integer) TO PUBLIC", "function:app.price(integer)"),
    made("a parsed body", "CREATE OR REPLACE FUNCTION app.parsed(n integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC "
         "SELECT n + 2; END", "function body:app.parsed(integer)"),
    made("a procedure's body", "CREATE OR REPLACE PROCEDURE app.clean() LANGUAGE sql AS 'SELECT 2'",
         "procedure:app.clean()"),
    made("a function's owner", "ALTER FUNCTION app.secret() OWNER TO {other}", "owner:of function app.secret()",
         "rights:on function app.secret()"),
    made("initcond of an aggregate", "CREATE OR REPLACE AGGREGATE app.total (integer) (sfunc = int4pl, stype = integer, "
         "initcond = '1')", "aggregate:app.total(integer)"),
    made("an operator's estimator", "ALTER OPERATOR app.=== (integer, integer) SET (RESTRICT = eqsel)",
         "operator:app.===(integer,integer)"),
    made("an operator of a class", "ALTER OPERATOR FAMILY app.numbers USING btree ADD OPERATOR 1 < (integer, bigint)",
         "operator family:app.numbers USING btree"),
    made("an operator class", "DROP OPERATOR CLASS app.number_ops USING btree", "operator class:app.number_ops USING btree",
         "operator family:app.numbers USING btree"),
    made("a cast made implicit", "DROP CAST (app.place AS integer); CREATE CAST (app.place AS integer) WITH FUNCTION "
         "app.ratio_of(app.place) AS ASSIGNMENT", "cast:(app.place AS integer)"),
    made("a transform", "DROP TRANSFORM FOR app.mood LANGUAGE plpgsql", "transform:for app.mood language plpgsql"),
    made("a mapping of text search", "ALTER TEXT SEARCH CONFIGURATION app.words ALTER MAPPING FOR numword WITH english_stem",
         "text search configuration:app.words"),
    made("an option of a dictionary", "ALTER TEXT SEARCH DICTIONARY app.short (ACCEPT = true)",
         "text search dictionary:app.short"),
    made("a conversion", "DROP CONVERSION app.latin", "conversion:app.latin"),
    made("a collation", "DROP COLLATION app.bytewise; CREATE COLLATION app.bytewise (LOCALE = 'C.UTF-8'); "
         "ALTER COLLATION app.bytewise OWNER TO {owner}", "collation:app.bytewise"),
    made("a view's text", "CREATE OR REPLACE VIEW app.cheap WITH (security_barrier) AS SELECT id, name FROM app.items "
         "WHERE price < 6 WITH LOCAL CHECK OPTION", "view:app.cheap"),
    made("a view's option", "ALTER VIEW app.cheap RESET (security_barrier)", "view columns:app.cheap"),
    made("a view's check option", "ALTER VIEW app.cheap SET (check_option = cascaded)", "view columns:app.cheap"),
    made("a default of a view's column", "ALTER VIEW app.cheap ALTER id SET DEFAULT 1", "view columns:app.cheap"),
    made("a materialised view not filled", "REFRESH MATERIALIZED VIEW app.summary WITH NO DATA",
         "rows of materialised view:app.summary", "rows:app.summary"),
    made("order of an enum's labels", "UPDATE pg_enum SET enumsortorder = 30 - enumsortorder WHERE enumtypid = "
         "'app.mood'::regtype", "type:app.mood"),
    made("a label of an enum", "ALTER TYPE app.mood ADD VALUE 'between' AFTER 'sad'", "type:app.mood"),
    made("a domain's check", "ALTER DOMAIN app.positive DROP CONSTRAINT small; ALTER DOMAIN app.positive ADD CONSTRAINT "
         "small CHECK (VALUE < 1001) NOT VALID; COMMENT ON CONSTRAINT small ON DOMAIN app.positive IS 'a limit'",
         "type:app.positive"),
    made("a domain's check validated", "ALTER DOMAIN app.positive VALIDATE CONSTRAINT small", "type:app.positive"),
    made("a domain's default", "ALTER DOMAIN app.positive SET DEFAULT 2", "type:app.positive"),
    made("a field of a composite type", "ALTER TYPE app.place RENAME ATTRIBUTE number TO nr",
         "type:app.place", "function body:app.ratio_of(app.place)"),
    made("a multirange type's name", "ALTER TYPE app.span_multirange RENAME TO spans",
         "multirange of:app.span", "cast:(app.span AS app.span_multirange)", "cast:(app.span AS app.spans)"),
    made("an event trigger disabled", "ALTER EVENT TRIGGER watch DISABLE", "event trigger:watch"),
)  # fmt: skip

RIGHTS = (
    made("one grant lost", "REVOKE UPDATE ON app.items FROM {other}", "rights:on table app.items"),
    made("one grant more", "GRANT DELETE ON app.items TO {other}", "rights:on table app.items"),
    made("a grant to everybody", "GRANT SELECT ON app.parent TO PUBLIC", "rights:on table app.parent"),
    made("one column grant lost", "REVOKE UPDATE (word) ON app.lines FROM {other}", "rights:on column app.lines.word"),
    made("a grant option lost", "REVOKE GRANT OPTION FOR SELECT ON app.cheap FROM {other}", "rights:on table app.cheap"),
    made("the owner's own right", "REVOKE DELETE ON app.items FROM {owner}", "owner's rights:on table app.items"),
    made("a right on a sequence", "REVOKE USAGE ON SEQUENCE app.counter FROM {other}", "rights:on sequence app.counter"),
    made("a right on a schema", "GRANT CREATE ON SCHEMA app TO {other}", "rights:on schema app"),
    made("a function open to everybody", "GRANT EXECUTE ON FUNCTION app.secret() TO PUBLIC",
         "rights:on function app.secret()"),
    made("a right on a type", "GRANT USAGE ON TYPE app.mood TO PUBLIC", "rights:on type app.mood"),
    made("a right on a foreign server", "REVOKE USAGE ON FOREIGN SERVER link FROM {other}", "rights:on server link"),
    made("a right on a language", "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", "rights:on language plpgsql", told=True),
    made("a right on a large object", "REVOKE SELECT ON LARGE OBJECT 777000 FROM {other}",
         "rights:on large object 777000"),
    made("default privileges", "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA app GRANT INSERT ON TABLES TO {other}",
         "rights:on default TABLES IN SCHEMA app that (owner) makes"),
    made("default privileges lost", "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
         "rights:on default FUNCTIONS that (owner) makes"),
    made("a right on the database", "GRANT CREATE ON DATABASE {database} TO {other}", "database:rights of {other}",
         told=True),
    made("a table's owner", "ALTER TABLE app.empty OWNER TO {other}", "owner:of table app.empty", "rows:app.empty"),
    made("a setting of the database", "ALTER DATABASE {database} SET work_mem = '5MB'", "setting:work_mem of the database"),
    made("a setting of a role", "ALTER ROLE {other} IN DATABASE {database} RESET statement_timeout",
         "setting:statement_timeout of role {other} in the database", told=True),
    made("a setting that the source has not", "ALTER DATABASE {database} SET datestyle = 'German'",
         "setting:DateStyle of the database"),
    made("a comment on a table", "COMMENT ON TABLE app.items IS 'thing'", "comment:on table app.items"),
    made("a comment on a column", "COMMENT ON COLUMN app.items.note IS NULL", "comment:on table column app.items.note"),
    made("a comment on a constraint", "COMMENT ON CONSTRAINT priced ON app.items IS 'rule'",
         "comment:on table constraint priced on app.items"),
    made("a comment on an operator", "COMMENT ON OPERATOR app.=== (integer, integer) IS NULL",
         "comment:on operator app.===(integer,integer)"),
    made("a comment on a publication", "COMMENT ON PUBLICATION feed IS 'x'", "comment:on publication feed"),
    made("a comment that the source has not", "COMMENT ON INDEX app.by_price IS 'x'", "comment:on index app.by_price"),
    made("a comment on a large object", "COMMENT ON LARGE OBJECT 777000 IS NULL", "comment:on large object 777000"),
)  # fmt: skip

OUTSIDE = (
    made("a sequence behind by one", "SELECT setval('app.counter', 10)", "behind:app.counter"),
    made("a sequence never called", "SELECT setval('app.counter', 15, false)", "behind:app.counter"),
    made("a sequence that counts down behind by one", "SELECT setval('app.down', -1)", "behind:app.down"),
    made("an identity behind by one", "SELECT setval('app.lines_n_seq', 2)", "behind:app.lines_n_seq"),
    made("a sequence's step", "ALTER SEQUENCE app.counter INCREMENT 6", "sequence:app.counter"),
    made("a sequence that cycles", "ALTER SEQUENCE app.counter CYCLE", "sequence:app.counter"),
    made("a sequence's cache", "ALTER SEQUENCE app.counter CACHE 4", "sequence:app.counter"),
    made("a sequence's type and bounds", "ALTER SEQUENCE app.counter AS bigint", "sequence:app.counter"),
    made("a sequence's column", "ALTER SEQUENCE app.counter OWNED BY app.items.id", "sequence:app.counter"),
    made("a publication without a table", "ALTER PUBLICATION feed DROP TABLE app.lines",
         "publication table:feed app.lines"),
    made("a publication's actions", "ALTER PUBLICATION feed SET (publish = 'insert')", "publication:feed"),
    made("a publication's row filter", "ALTER PUBLICATION feed SET TABLE app.items (id, name) WHERE (id > 2), app.lines",
         "publication filter:feed app.items"),
    made("a publication's columns", "ALTER PUBLICATION feed SET TABLE app.items (id) WHERE (id > 1), app.lines",
         "publication columns:feed app.items"),
    made("an option of a server", "ALTER SERVER link OPTIONS (SET host 'near.example.com')", "server:link"),
    made("a password of a server", "ALTER SERVER link OPTIONS (SET password 'Canary-2')", "server:link"),
    made("an option of a wrapper", "ALTER FOREIGN DATA WRAPPER wrap OPTIONS (SET debug 'on')", "foreign-data wrapper:wrap"),
    made("an option of a foreign table", "ALTER FOREIGN TABLE app.far OPTIONS (SET table_name 'u')", "foreign table:app.far"),
    made("an option of a foreign column", "ALTER FOREIGN TABLE app.far ALTER id OPTIONS (SET column_name 'Id')",
         "foreign table:app.far"),
    made("a password of a user mapping", "ALTER USER MAPPING FOR PUBLIC SERVER link OPTIONS (SET password 'Canary-3')",
         "user mapping:PUBLIC on link"),
    made("a user mapping lost", "DROP USER MAPPING FOR PUBLIC SERVER link", "user mapping:PUBLIC on link"),
    made("an extension's schema", "CREATE SCHEMA ext2 AUTHORIZATION {owner}; ALTER EXTENSION vector SET SCHEMA ext2",
         "extension:vector", "schema:ext2"),
    made("an extension lost", "DROP EXTENSION vector", "extension:vector", "extension version:vector",
         "comment:on extension vector"),
    made("an extension's version", "UPDATE pg_extension SET extversion = '0.0' WHERE extname = 'vector'",
         "extension version:vector", told=True),
)  # fmt: skip

MUTATIONS = (*ROWS, *TABLES, *CODE, *RIGHTS, *OUTSIDE)
