-- What only a superuser may make, or what does not move as it is: each must be named before the move.
CREATE OPERATOR FAMILY app.lone_family USING btree;
CREATE FUNCTION app.backwards(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $1 < $2 THEN 1 WHEN $1 > $2 THEN -1 ELSE 0 END';
CREATE OPERATOR CLASS app.backwards_ops FOR TYPE integer USING btree AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 app.backwards(integer, integer);
CREATE INDEX no_key_backwards ON app.no_key (a app.backwards_ops);
CREATE TYPE app.own_base;
CREATE FUNCTION app.own_in(cstring) RETURNS app.own_base LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION app.own_out(app.own_base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE app.own_base (input = app.own_in, output = app.own_out, like = integer);
CREATE TABLE app.of_own_base (v app.own_base);
CREATE CAST (app.own_base AS integer) WITHOUT FUNCTION;
CREATE CAST (text AS point) WITH INOUT;
CREATE TEXT SEARCH TEMPLATE app.own_template (lexize = dsimple_lexize, init = dsimple_init);
CREATE TEXT SEARCH DICTIONARY app.of_own_template (template = app.own_template);
CREATE FOREIGN DATA WRAPPER nobodys;
CREATE SERVER of_nobody FOREIGN DATA WRAPPER nobodys;
CREATE USER MAPPING FOR everything_reader SERVER of_nobody OPTIONS (password 'hidden');
CREATE ACCESS METHOD own_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE app.in_own_heap (id integer) USING own_heap;
CREATE FUNCTION app.windowed() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';
GRANT EXECUTE ON FUNCTION app.windowed() TO everything_reader;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
SET allow_system_table_mods = on;
INSERT INTO pg_seclabel VALUES ('app.customers'::regclass, 'pg_class'::regclass, 0, 'sepgsql', 'secret');
