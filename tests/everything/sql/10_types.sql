-- Schemas and types: enums with added and renamed values, domains on domains, composites, ranges, collations, dictionaries.
CREATE SCHEMA app;
CREATE SCHEMA billing;
CREATE SCHEMA "Weird Schema";
CREATE SCHEMA "select";
CREATE SCHEMA empty_schema;
COMMENT ON SCHEMA app IS 'what the application uses; it''s "quoted" \ and';
COMMENT ON SCHEMA empty_schema IS 'nothing in it';

CREATE TYPE app.mood AS ENUM ('sad', 'happy');
ALTER TYPE app.mood ADD VALUE 'ok' BEFORE 'happy';
ALTER TYPE app.mood ADD VALUE 'never felt' AFTER 'happy';
ALTER TYPE app.mood RENAME VALUE 'sad' TO 'blue';
ALTER TYPE app.mood ADD VALUE 'ångry "quoted" ''' BEFORE 'blue';
COMMENT ON TYPE app.mood IS 'reordered';
CREATE TYPE app.no_values AS ENUM ();

CREATE TYPE app.point3 AS (x integer, y double precision, label text COLLATE "C");
ALTER TYPE app.point3 ADD ATTRIBUTE gone integer;
ALTER TYPE app.point3 DROP ATTRIBUTE gone;
COMMENT ON COLUMN app.point3.label IS 'an attribute''s comment';
CREATE TYPE app.nested AS (p app.point3, ps app.point3[], m app.mood);
CREATE TYPE app.nothing_inside AS ();

CREATE DOMAIN app.positive AS integer DEFAULT 7 CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE DOMAIN app.small AS app.positive CONSTRAINT below_100 CHECK (VALUE < 100) NOT NULL;
CREATE DOMAIN app.unchecked AS text COLLATE "C" CONSTRAINT no_x CHECK (VALUE !~ 'x');
ALTER DOMAIN app.unchecked ADD CONSTRAINT not_yet CHECK (VALUE <> 'y') NOT VALID;
CREATE DOMAIN app.positives AS app.positive[];
CREATE DOMAIN app.place AS app.point3 CHECK ((VALUE).x IS NULL OR (VALUE).x >= -1000000);
COMMENT ON DOMAIN app.positive IS 'more than nothing';
COMMENT ON CONSTRAINT above_zero ON DOMAIN app.positive IS 'why';

CREATE FUNCTION app.float_distance(a double precision, b double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT a - b';
CREATE TYPE app.float_range AS RANGE (
    subtype = double precision, subtype_diff = app.float_distance, multirange_type_name = app.many_floats);
CREATE TYPE app.byte_texts AS RANGE (subtype = text, collation = "C");

CREATE COLLATION app.bytes (provider = libc, locale = 'C');
CREATE COLLATION app.same FROM "C";
COMMENT ON COLLATION app.bytes IS 'by bytes';

CREATE TEXT SEARCH DICTIONARY app.stems (template = snowball, language = 'english', stopwords = 'english');
CREATE TEXT SEARCH DICTIONARY app.plain_words (template = pg_catalog.simple, accept = false);
CREATE TEXT SEARCH CONFIGURATION app.words (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION app.words ALTER MAPPING FOR asciiword WITH app.stems, pg_catalog.simple;
ALTER TEXT SEARCH CONFIGURATION app.words DROP MAPPING FOR email;
COMMENT ON TEXT SEARCH CONFIGURATION app.words IS 'ours';
COMMENT ON TEXT SEARCH DICTIONARY app.stems IS 'stems';

-- Operators, aggregates, casts and conversions that need no superuser.
CREATE FUNCTION app.add_points(a app.point3, b app.point3) RETURNS app.point3 LANGUAGE sql IMMUTABLE
    AS $$ SELECT ROW((a).x + (b).x, (a).y + (b).y, coalesce((a).label, (b).label))::app.point3 $$;
CREATE OPERATOR app.+ (LEFTARG = app.point3, RIGHTARG = app.point3, FUNCTION = app.add_points, COMMUTATOR = OPERATOR(app.+));
CREATE FUNCTION app.same_point(a app.point3, b app.point3) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS 'SELECT (a).x = (b).x';
CREATE FUNCTION app.other_point(a app.point3, b app.point3) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS 'SELECT (a).x <> (b).x';
CREATE OPERATOR app.=== (LEFTARG = app.point3, RIGHTARG = app.point3, FUNCTION = app.same_point, COMMUTATOR = OPERATOR(app.===),
    NEGATOR = OPERATOR(app.<<>>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR app.<<>> (LEFTARG = app.point3, RIGHTARG = app.point3, FUNCTION = app.other_point,
    NEGATOR = OPERATOR(app.===));
CREATE FUNCTION app.negated(a app.point3) RETURNS app.point3 LANGUAGE sql IMMUTABLE
    AS 'SELECT ROW(-(a).x, -(a).y, (a).label)::app.point3';
CREATE OPERATOR app.!- (RIGHTARG = app.point3, FUNCTION = app.negated);
COMMENT ON OPERATOR app.+ (app.point3, app.point3) IS 'side by side';
CREATE AGGREGATE app.all_points (app.point3) (sfunc = app.add_points, stype = app.point3, initcond = '(0,0,)',
    combinefunc = app.add_points, parallel = safe);
CREATE AGGREGATE app.moving_sum (integer) (sfunc = int4pl, stype = integer, initcond = '0', msfunc = int4pl,
    minvfunc = int4mi, mstype = integer, minitcond = '0');
CREATE FUNCTION app.pick(found integer[], share double precision) RETURNS integer LANGUAGE sql IMMUTABLE
    AS 'SELECT found[1 + floor(share * (cardinality(found) - 1))::integer]';
CREATE AGGREGATE app.middle (double precision ORDER BY integer) (sfunc = array_append, stype = integer[], finalfunc = app.pick);
COMMENT ON AGGREGATE app.all_points (app.point3) IS 'summed';
CREATE FUNCTION app.point_of(n integer) RETURNS app.point3 LANGUAGE sql IMMUTABLE
    AS $$ SELECT ROW(n, n, 'cast')::app.point3 $$;
CREATE CAST (integer AS app.point3) WITH FUNCTION app.point_of(integer) AS ASSIGNMENT;
CREATE CAST (app.mood AS app.positive) WITH INOUT;
COMMENT ON CAST (integer AS app.point3) IS 'on the diagonal';
CREATE CONVERSION app.to_latin1 FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
COMMENT ON CONVERSION app.to_latin1 IS 'as usual';
