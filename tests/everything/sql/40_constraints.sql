-- Constraints and indexes: exclusion, deferrable, not valid, expression, partial, covering, clustered, replica identity.
CREATE TABLE app.bookings (
    id integer CONSTRAINT bookings_key PRIMARY KEY DEFERRABLE INITIALLY DEFERRED,
    room integer NOT NULL, during tstzrange, who integer, again integer,
    CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&) WHERE (room > 0) DEFERRABLE,
    CONSTRAINT once UNIQUE NULLS NOT DISTINCT (who) INCLUDE (room) WITH (fillfactor = 80),
    CONSTRAINT again_unique UNIQUE (again) DEFERRABLE
);
INSERT INTO app.bookings VALUES (1, 1, '[2020-01-01 00:00+00, 2020-02-01 00:00+00)', NULL, 1), (2, 1, 'empty', 5, 2), (3, 0, '(,)', 6, NULL),
    (4, 0, '[2020-01-01 00:00+00,)', 7, NULL);
COMMENT ON CONSTRAINT no_overlap ON app.bookings IS 'one at a time';
CREATE TABLE app.tree (id integer PRIMARY KEY, parent integer REFERENCES app.tree ON DELETE CASCADE, other integer);
INSERT INTO app.tree VALUES (3, 1, 1), (1, NULL, 2), (2, 3, 3);
CREATE TABLE app.left_side (id integer PRIMARY KEY, r integer);
CREATE TABLE app.right_side (id integer PRIMARY KEY, l integer REFERENCES app.left_side DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE app.left_side ADD FOREIGN KEY (r) REFERENCES app.right_side ON UPDATE SET DEFAULT;
BEGIN;
INSERT INTO app.right_side VALUES (1, 1);
INSERT INTO app.left_side VALUES (1, 1);
COMMIT;
CREATE TABLE app.dirty (id integer, customer bigint);
INSERT INTO app.dirty VALUES (1, 10), (2, 999999), (NULL, NULL);
ALTER TABLE app.dirty ADD CONSTRAINT dirty_fkey FOREIGN KEY (customer) REFERENCES app.customers NOT VALID;
ALTER TABLE app.dirty ADD CONSTRAINT dirty_check CHECK (id < 2) NOT VALID;
COMMENT ON CONSTRAINT dirty_check ON app.dirty IS 'one day';
CREATE TABLE app.two_keys (a integer, b integer, c text, PRIMARY KEY (b, a));
CREATE TABLE app.partly (a integer, b integer, FOREIGN KEY (a, b) REFERENCES app.two_keys (b, a) ON DELETE SET NULL (a));
INSERT INTO app.two_keys VALUES (1, 2, 'c');
INSERT INTO app.partly VALUES (2, 1), (NULL, 5);

CREATE FUNCTION app.half(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n / 2';
CREATE INDEX customers_half ON app.customers (app.half(age)) WHERE age > 10;
CREATE INDEX customers_name ON app.customers (name COLLATE "POSIX" varchar_pattern_ops DESC NULLS LAST, lower(email)) INCLUDE (age);
CREATE INDEX customers_hash ON app.customers USING hash (email);
CREATE INDEX customers_gin ON app.customers USING gin (settings jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX customers_brin ON app.customers USING brin (born timestamptz_minmax_multi_ops (values_per_range = 16)) WITH (pages_per_range = 4);
CREATE INDEX customers_place ON app.customers USING spgist (name);
CREATE UNIQUE INDEX customers_email ON app.customers (lower(email)) WHERE name IS NOT NULL;
CREATE INDEX customers_words ON app.customers USING gin (to_tsvector('app.words', coalesce(name, '')));
CREATE UNIQUE INDEX customers_email_plain ON app.customers (email);
ALTER INDEX app.customers_half ALTER COLUMN 1 SET STATISTICS 300;
CREATE INDEX dedup ON app.no_key (a) WITH (deduplicate_items = off);
ALTER TABLE app.customers CLUSTER ON customers_email_plain;
ALTER TABLE app.customers REPLICA IDENTITY USING INDEX customers_email_plain;
ALTER TABLE app.no_key REPLICA IDENTITY FULL;
ALTER TABLE app.fleeting REPLICA IDENTITY NOTHING;
COMMENT ON INDEX app.customers_half IS 'half';

CREATE STATISTICS app.related (ndistinct, dependencies) ON a, b FROM app.no_key;
CREATE STATISTICS app.on_expression (mcv) ON (lower(email)), late FROM app.customers;
CREATE STATISTICS app.single ON (age + 1) FROM app.customers;
ALTER STATISTICS app.related SET STATISTICS 55;
COMMENT ON STATISTICS app.related IS 'go together';
