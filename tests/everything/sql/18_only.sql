-- What came with 17 and 18: virtual columns, constraints not enforced, named NOT NULLs, keys over time, MAINTAIN, infinity.
CREATE TABLE app.eighteen (
    id integer CONSTRAINT id_is_there NOT NULL,
    n integer,
    twice integer GENERATED ALWAYS AS (n * 2) VIRTUAL,
    thrice integer GENERATED ALWAYS AS (n * 3) STORED,
    room integer,
    during daterange,
    since interval DEFAULT 'infinity',
    CONSTRAINT during_alone EXCLUDE USING gist (during WITH &&),
    CONSTRAINT only_said CHECK (n > 100) NOT ENFORCED
);
INSERT INTO app.eighteen (id, n, room, during, since) VALUES (1, 1, 1, '[2020-01-01,2021-01-01)', 'infinity'), (2, NULL, 1, '[2021-01-01,2022-01-01)', '-infinity');
CREATE TABLE app.eighteen_child (more text) INHERITS (app.eighteen);
INSERT INTO app.eighteen_child (id, n, during) VALUES (3, 3, 'empty');
CREATE TABLE app.over_time (id int4range, at daterange, CONSTRAINT over_time_pkey PRIMARY KEY (id, at WITHOUT OVERLAPS));
INSERT INTO app.over_time VALUES ('[1,2)', '[2020-01-01,2021-01-01)'), ('[1,2)', '[2021-01-01,2022-01-01)');
CREATE TABLE app.during_it (id int4range, at daterange, FOREIGN KEY (id, PERIOD at) REFERENCES app.over_time (id, PERIOD at));
INSERT INTO app.during_it VALUES ('[1,2)', '[2020-06-01,2021-06-01)');
CREATE TABLE app.half_enforced (id integer PRIMARY KEY, n integer, other bigint,
    CONSTRAINT pointing FOREIGN KEY (other) REFERENCES app.customers NOT ENFORCED);
INSERT INTO app.half_enforced VALUES (1, NULL, 424242);
ALTER TABLE app.half_enforced ADD CONSTRAINT n_is_there NOT NULL n NOT VALID;
CREATE TABLE app.not_null_parent (n integer CONSTRAINT told NOT NULL NO INHERIT);
CREATE TABLE app.not_null_child () INHERITS (app.not_null_parent);
CREATE TABLE billing.not_valid_yet (id integer, customer bigint) PARTITION BY RANGE (id);
CREATE TABLE billing.not_valid_yet_1 PARTITION OF billing.not_valid_yet FOR VALUES FROM (0) TO (10);
INSERT INTO billing.not_valid_yet VALUES (1, 987654);
ALTER TABLE billing.not_valid_yet ADD CONSTRAINT nvy_customer FOREIGN KEY (customer) REFERENCES app.customers NOT VALID;
GRANT MAINTAIN ON app.eighteen TO everything_writer;
CREATE COLLATION app.built_in (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE app.built_in_words (w text COLLATE app.built_in);
INSERT INTO app.built_in_words VALUES ('ä'), ('Z');
COMMENT ON CONSTRAINT id_is_there ON app.eighteen IS 'named';
ALTER DEFAULT PRIVILEGES GRANT SELECT ON LARGE OBJECTS TO everything_reader;
CREATE PUBLICATION with_generated FOR TABLE app.eighteen WITH (publish_generated_columns = stored);

-- A partition has its parent's NOT NULL constraints, inherited and by name; a primary key of its own makes them its own.
CREATE TABLE app.parted_not_null (id bigint NOT NULL, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE app.parted_not_null_1 PARTITION OF app.parted_not_null FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO app.parted_not_null VALUES (1, '2026-03-04');
