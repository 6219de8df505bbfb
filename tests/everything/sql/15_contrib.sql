-- What Debian's build of 15 carries besides: contrib in odd schemas, ICU, xml, links to other databases.
CREATE TABLE app.extended (
    id integer PRIMARY KEY, email heroku_ext.citext UNIQUE, h "Odd Ext".hstore, path heroku_ext.ltree, s heroku_ext.seg, c heroku_ext.cube, i heroku_ext.isbn13,
    e heroku_ext.citext[], lo heroku_ext.lo
);
INSERT INTO app.extended VALUES
    (1, 'Ann@Example.com', '"a"=>"1", "b"=>NULL', 'Top.Science', '1.5 .. 2', '(1,2),(3,4)', '978-0-393-04002-9', '{A,a,NULL}', 4000001),
    (2, 'ann@example.org', '', '', '<5', '(0)', NULL, '{}', NULL), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE INDEX extended_trgm ON app.extended USING gin ((email::text) heroku_ext.gin_trgm_ops);
CREATE INDEX extended_h ON app.extended USING gist (h);
CREATE INDEX extended_path ON app.extended USING gist (path heroku_ext.gist_ltree_ops (siglen = 100));
CREATE TABLE app.rooms (room integer, during tstzrange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO app.rooms VALUES (1, '[2020-01-01 00:00+00,2020-02-01 00:00+00)'), (2, '[2020-01-01 00:00+00,2020-02-01 00:00+00)');
CREATE TABLE app.bloomed (a integer, b integer);
CREATE INDEX bloomed_both ON app.bloomed USING bloom (a, b) WITH (length = 80, col1 = 2);
CREATE FUNCTION app.without_accents(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT heroku_ext.unaccent('heroku_ext.unaccent', $1) $$;
CREATE INDEX customers_unaccented ON app.customers (app.without_accents(name));
CREATE TABLE app.with_uuid (id uuid DEFAULT "Odd Ext".uuid_generate_v4() PRIMARY KEY, secret text DEFAULT heroku_ext.crypt('x', 'ab'));
INSERT INTO app.with_uuid VALUES ('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 's');
CREATE VIEW app.pivot AS SELECT * FROM heroku_ext.crosstab('SELECT 1, 2, 3') AS t (a integer, b integer);
CREATE TABLE app.moved (id integer, at timestamp);
CREATE TRIGGER mdt BEFORE UPDATE ON app.moved FOR EACH ROW EXECUTE FUNCTION heroku_ext.moddatetime(at);

CREATE COLLATION app.german (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION app.no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE app.words_icu (w text COLLATE app.no_case PRIMARY KEY, g text COLLATE app.german, u text COLLATE "und-x-icu");
INSERT INTO app.words_icu VALUES ('Ä', 'Ärger', 'z'), ('ß', 'ss', 'Å');
CREATE TABLE app.by_icu (w text COLLATE app.german, n integer) PARTITION BY RANGE (w);
CREATE TABLE app.by_icu_1 PARTITION OF app.by_icu FOR VALUES FROM ('a') TO ('m');
CREATE TABLE app.by_icu_2 PARTITION OF app.by_icu DEFAULT;
INSERT INTO app.by_icu VALUES ('Ärger', 1), ('zebra', 2);

CREATE TABLE app.markup (id integer PRIMARY KEY, x xml, xs xml[]);
INSERT INTO app.markup VALUES (1, '<a b="c">&lt;é</a>', ARRAY['<x/>'::xml, NULL]), (2, 'only text', '{}'), (3, NULL, NULL),
    (4, XMLPARSE(DOCUMENT '<?xml version="1.0" encoding="UTF-8"?><d>ü</d>'), NULL);
CREATE VIEW app.marked AS SELECT xmlelement(NAME "e", xmlattributes(id AS i), x) AS e FROM app.markup WHERE x IS DOCUMENT;

-- As pg:links make them. https://devcenter.heroku.com/articles/heroku-postgres-add-ons
CREATE SERVER redis_link FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', dbname 'nowhere', port '1');
CREATE USER MAPPING FOR :owner SERVER redis_link OPTIONS (user 'u', password 'secret of the link');
CREATE FOREIGN TABLE app.linked (id integer) SERVER redis_link OPTIONS (table_name 'x');
