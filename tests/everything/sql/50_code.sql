-- Functions and procedures of all sorts, views, materialised views, rules, triggers.
CREATE FUNCTION app.sql_body(a integer, b integer DEFAULT 2) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a + b;
CREATE FUNCTION app.atomic_body(wanted text) RETURNS SETOF app.customers LANGUAGE sql STABLE ROWS 7 COST 33
BEGIN ATOMIC
    SELECT * FROM app.customers WHERE email = wanted;
    SELECT * FROM app.customers WHERE name IN ('a', 'b');
END;
CREATE FUNCTION app.definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = app, pg_temp SET work_mem = '7MB' AS $body$
BEGIN
    RETURN current_setting('search_path') || $x$ "quoted" ' \ $x$;
END $body$;
CREATE FUNCTION app.many(VARIADIC numbers integer[] DEFAULT '{}') RETURNS integer LANGUAGE sql STRICT
    AS 'SELECT sum(n)::integer FROM unnest(numbers) AS n';
CREATE FUNCTION app.outs(IN a integer, OUT b integer, INOUT c text, OUT "D d" app.mood) LANGUAGE plpgsql
    AS 'BEGIN b := a; c := c || a; END';
CREATE FUNCTION app.as_table(n integer) RETURNS TABLE (x integer, "Y" text) LANGUAGE sql AS $$ SELECT n, 'y' $$;
CREATE FUNCTION app.anything(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION app.compatible(anycompatible, anycompatible) RETURNS anycompatible LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION app.overloaded(integer) RETURNS text LANGUAGE sql AS $$ SELECT 'integer' $$;
CREATE FUNCTION app.overloaded(text) RETURNS text LANGUAGE sql AS $$ SELECT 'text' $$;
CREATE FUNCTION app.overloaded(app.mood[], "Weird Schema"."Odd ""Tab"" le.") RETURNS text LANGUAGE sql AS $$ SELECT 'odd' $$;
CREATE PROCEDURE app.doing(INOUT a integer, b text DEFAULT 'b') LANGUAGE plpgsql AS 'BEGIN a := a + 1; COMMIT; END';
CREATE PROCEDURE app.sql_doing(n integer) LANGUAGE sql BEGIN ATOMIC DELETE FROM app.no_rows WHERE id = n; END;
CREATE FUNCTION app."odd ""name"" (x)"("odd arg" integer DEFAULT 1) RETURNS integer LANGUAGE sql AS 'SELECT "odd arg"';
COMMENT ON FUNCTION app.sql_body(integer, integer) IS 'adds';
COMMENT ON PROCEDURE app.doing(integer, text) IS 'does';
-- A function whose body needs a primary key, which pg_dump therefore postpones.
CREATE FUNCTION app.grouped() RETURNS SETOF text LANGUAGE sql
BEGIN ATOMIC SELECT email || count(*) FROM app.customers GROUP BY id; END;

CREATE VIEW app.happy WITH (security_barrier = true) AS SELECT id, email FROM app.customers WHERE mood = 'happy' WITH LOCAL CHECK OPTION;
CREATE VIEW app.happier WITH (security_invoker = true) AS SELECT id, upper(email) AS "EMAIL" FROM app.happy WHERE id > 20;
CREATE VIEW app.checked AS SELECT id, email FROM app.happy WITH CASCADED CHECK OPTION;
CREATE VIEW app.counted AS SELECT id, email, count(*) AS n FROM app.customers GROUP BY id;
CREATE RECURSIVE VIEW app.numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 10;
CREATE VIEW app.listed AS SELECT name, CASE WHEN name IN ('a', 'b') THEN 1 END AS c, ARRAY[1, 2] AS a, ROW(1, 2, 'x')::app.point3 AS r,
    age BETWEEN 1 AND 2 AS b, name LIKE 'x%' AS l, settings ->> 'k' AS k, EXTRACT(year FROM born) AS y,
    born AT TIME ZONE 'UTC' AS z, COALESCE(name, '') AS o, row_number() OVER (PARTITION BY mood ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS w
    FROM app.customers;
CREATE VIEW app.with_default AS SELECT id, email, name FROM app.customers;
ALTER VIEW app.with_default ALTER COLUMN name SET DEFAULT 'from the view';
CREATE VIEW app.cte AS WITH RECURSIVE r (n, path) AS (SELECT id, ARRAY[id] FROM app.tree WHERE parent IS NULL
    UNION ALL SELECT t.id, path || t.id FROM app.tree AS t JOIN r ON t.parent = r.n) SEARCH DEPTH FIRST BY n SET ordered
    SELECT n, path FROM r;
CREATE VIEW app.lateral_view AS SELECT c.id, l.x FROM app.customers AS c LEFT JOIN LATERAL app.as_table(c.age::integer) AS l ON true
    WHERE EXISTS (SELECT FROM app.tree AS t WHERE t.id = c.id) OR c.place OPERATOR(app.===) ROW(1, 1, '')::app.point3;
CREATE VIEW "Weird Schema"."a ""view""" AS SELECT "two words" AS "it's", "new
line" FROM "Weird Schema"."Odd ""Tab"" le.";
CREATE VIEW app.no_columns_view AS SELECT FROM app.no_columns;
COMMENT ON VIEW app.happy IS 'the happy ones';
COMMENT ON COLUMN app.happy.email IS 'theirs';

CREATE MATERIALIZED VIEW app.z_first AS SELECT customer, sum(total) AS total FROM billing.invoices GROUP BY customer;
CREATE UNIQUE INDEX z_first_key ON app.z_first (customer);
CREATE VIEW app.between_them AS SELECT total FROM app.z_first;
CREATE MATERIALIZED VIEW app.a_second WITH (fillfactor = 60) AS SELECT sum(total) AS total, count(*) AS n FROM app.between_them;
CREATE MATERIALIZED VIEW app.unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE MATERIALIZED VIEW app.of_unfilled AS SELECT one FROM app.unfilled WITH NO DATA;
CREATE INDEX unfilled_one ON app.unfilled (one);
COMMENT ON MATERIALIZED VIEW app.z_first IS 'sums';

CREATE TABLE app.ruled (id integer PRIMARY KEY, v text);
INSERT INTO app.ruled VALUES (1, 'before the rules');
CREATE TABLE app.ruled_log (id integer, at text);
CREATE RULE quiet AS ON DELETE TO app.ruled DO INSTEAD NOTHING;
CREATE RULE logged AS ON INSERT TO app.ruled DO ALSO INSERT INTO app.ruled_log VALUES (new.id, 'rule');
CREATE RULE sleeping AS ON UPDATE TO app.ruled WHERE new.id <> old.id DO INSTEAD NOTHING;
ALTER TABLE app.ruled DISABLE RULE sleeping;
CREATE RULE always_on AS ON UPDATE TO app.ruled DO ALSO NOTIFY "ruled";
ALTER TABLE app.ruled ENABLE ALWAYS RULE always_on;
CREATE RULE into_view AS ON INSERT TO app.with_default DO INSTEAD INSERT INTO app.no_rows (t) VALUES (new.email) RETURNING 1::bigint, t, ''::varchar;
COMMENT ON RULE quiet ON app.ruled IS 'nothing goes';

CREATE TABLE app.triggered (id integer PRIMARY KEY, v text, n integer);
INSERT INTO app.triggered VALUES (1, 'a', 1), (2, NULL, 2);
CREATE TABLE app.trail (what text);
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO app.trail VALUES (TG_NAME || ' ' || TG_OP || ' ' || coalesce(array_to_string(TG_ARGV, '|'), ''));
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OF v, n OR DELETE ON app.triggered FOR EACH ROW WHEN (pg_trigger_depth() < 5)
    EXECUTE FUNCTION app.note('a', 'b''c', '');
CREATE TRIGGER after_statement AFTER INSERT ON app.triggered REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION app.note();
CREATE TRIGGER after_update AFTER UPDATE ON app.triggered REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE TRIGGER truncated BEFORE TRUNCATE ON app.triggered EXECUTE FUNCTION app.note();
CREATE CONSTRAINT TRIGGER deferred_one AFTER INSERT ON app.triggered FROM app.trail DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE TRIGGER disabled_one AFTER DELETE ON app.triggered EXECUTE FUNCTION app.note();
ALTER TABLE app.triggered DISABLE TRIGGER disabled_one;
CREATE TRIGGER always_one AFTER DELETE ON app.triggered EXECUTE FUNCTION app.note();
ALTER TABLE app.triggered ENABLE ALWAYS TRIGGER always_one;
CREATE TRIGGER replica_one AFTER DELETE ON app.triggered EXECUTE FUNCTION app.note();
ALTER TABLE app.triggered ENABLE REPLICA TRIGGER replica_one;
CREATE TRIGGER "Odd ""trigger""" AFTER INSERT ON app.triggered EXECUTE FUNCTION app.note();
CREATE TRIGGER instead INSTEAD OF DELETE ON app.happy FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE TRIGGER on_root AFTER INSERT ON billing.invoices FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE TRIGGER on_leaf BEFORE INSERT ON billing.invoices_old FOR EACH ROW EXECUTE FUNCTION app.note();
ALTER TABLE billing.invoices_rest DISABLE TRIGGER on_root;
CREATE TRIGGER unchanged BEFORE UPDATE ON app.no_key FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
COMMENT ON TRIGGER before_row ON app.triggered IS 'first';
DELETE FROM app.trail;

CREATE TABLE app.checked_by_function (v text CHECK (app.overloaded(v) = 'text'));
INSERT INTO app.checked_by_function VALUES ('ok');
