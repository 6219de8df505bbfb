-- What reaches beyond the tables: large objects, publications, foreign servers and tables, event triggers.
SELECT lo_from_bytea(4000001, '\x00ff'), lo_from_bytea(4000002, ''), lo_from_bytea(4000003, decode(repeat('0123456789abcdef', 200000), 'hex')),
       lo_create(4000004), lo_from_bytea(4000005, 'with holes');
SELECT lo_put(4000005, 5000000, 'far away');
SELECT lo_from_bytea(4100000 + i, ('small ' || i)::bytea) FROM generate_series(1, 450) AS i;
COMMENT ON LARGE OBJECT 4000001 IS 'it''s "large"';
GRANT SELECT ON LARGE OBJECT 4000001 TO everything_reader;
GRANT SELECT, UPDATE ON LARGE OBJECT 4000002 TO everything_writer WITH GRANT OPTION;
GRANT SELECT ON LARGE OBJECT 4000003 TO PUBLIC;
CREATE TABLE app.documents (id integer PRIMARY KEY, content oid);
INSERT INTO app.documents VALUES (1, 4000001), (2, 4000003);

CREATE PUBLICATION some_tables FOR TABLE app.customers (id, email) WHERE (id > 5), billing.lines WITH (publish = 'insert, update');
CREATE PUBLICATION "No ""tables""";
CREATE PUBLICATION of_the_root FOR TABLE billing.invoices WITH (publish_via_partition_root = true);
COMMENT ON PUBLICATION some_tables IS 'to subscribers';

CREATE SERVER "link ""one""" TYPE 'postgres' VERSION '15' FOREIGN DATA WRAPPER everything_wrapper OPTIONS (host 'it''s.example.com', dbname 'd');
CREATE SERVER plain_link FOREIGN DATA WRAPPER everything_wrapper;
CREATE USER MAPPING FOR :owner SERVER "link ""one""" OPTIONS (user 'far', password 'pa''ss\word "quoted"');
CREATE USER MAPPING FOR PUBLIC SERVER plain_link OPTIONS (user 'everyone');
CREATE FOREIGN TABLE app.far (id integer OPTIONS (column_name 'ID') NOT NULL, v text COLLATE "C" DEFAULT 'x', CHECK (id > 0)) SERVER "link ""one""" OPTIONS (schema_name 's', table_name 't "x"');
CREATE FOREIGN TABLE app.far_child () INHERITS (app.other_parent) SERVER plain_link;
CREATE TABLE billing.partly_far (id integer) PARTITION BY RANGE (id);
CREATE TABLE billing.near_part PARTITION OF billing.partly_far FOR VALUES FROM (0) TO (10);
CREATE FOREIGN TABLE billing.far_part PARTITION OF billing.partly_far FOR VALUES FROM (10) TO (20) SERVER plain_link;
INSERT INTO billing.partly_far VALUES (1), (2);
GRANT USAGE ON FOREIGN SERVER "link ""one""" TO everything_reader;
GRANT SELECT ON app.far TO everything_reader;
COMMENT ON SERVER plain_link IS 'a link';
COMMENT ON FOREIGN TABLE app.far IS 'far away';
