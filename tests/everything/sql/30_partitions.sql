-- Partitioned in every way: range, list, hash, several levels, default, detached, by expression, by enum, by collated text.
CREATE TABLE billing.invoices (
    id integer NOT NULL, placed date NOT NULL, customer bigint, total numeric(12, 2) DEFAULT 0,
    CONSTRAINT invoices_pkey PRIMARY KEY (id, placed), CONSTRAINT invoices_total CHECK (total >= 0)
) PARTITION BY RANGE (placed);
CREATE TABLE billing.invoices_old PARTITION OF billing.invoices FOR VALUES FROM (MINVALUE) TO ('2021-01-01');
CREATE TABLE billing.invoices_2021 PARTITION OF billing.invoices (total DEFAULT 5, CONSTRAINT own_check CHECK (id <> -1))
    FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
CREATE TABLE billing.invoices_2021_few PARTITION OF billing.invoices_2021 FOR VALUES IN (210, 211, 212) WITH (fillfactor = 50);
CREATE TABLE billing.invoices_2021_rest PARTITION OF billing.invoices_2021 DEFAULT;
CREATE TABLE billing.invoices_rest PARTITION OF billing.invoices DEFAULT;
CREATE TABLE billing.invoices_2030 (customer bigint, total numeric(12, 2), gone text, placed date NOT NULL, id integer NOT NULL,
    CHECK (total >= 0));
ALTER TABLE billing.invoices_2030 DROP COLUMN gone;
ALTER TABLE billing.invoices_2030 ADD CONSTRAINT invoices_total CHECK (total >= 0);
ALTER TABLE billing.invoices ATTACH PARTITION billing.invoices_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
INSERT INTO billing.invoices (id, placed, customer, total)
SELECT i, '2020-06-01'::date + i, 10 + 3 * (i % 300), i / 4.0 FROM generate_series(1, 400) AS i;
INSERT INTO billing.invoices VALUES (1, '2030-05-05', 10, 1), (2, '2040-01-01', NULL, 2);
CREATE INDEX invoices_customer ON billing.invoices (customer) INCLUDE (total);
CREATE UNIQUE INDEX invoices_unique ON billing.invoices (placed, id) WHERE total > 3;
CREATE INDEX only_on_the_root ON ONLY billing.invoices (total);
CREATE INDEX only_old ON billing.invoices_old (total);
ALTER INDEX billing.only_on_the_root ATTACH PARTITION billing.only_old;
ALTER TABLE billing.invoices ADD CONSTRAINT invoices_customer_fkey FOREIGN KEY (customer) REFERENCES app.customers
    ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE;
CREATE TABLE billing.lines (
    id integer PRIMARY KEY, invoice integer, placed date,
    CONSTRAINT lines_invoice FOREIGN KEY (invoice, placed) REFERENCES billing.invoices MATCH FULL);
INSERT INTO billing.lines SELECT i, i, '2020-06-01'::date + i FROM generate_series(1, 50) AS i;

CREATE TABLE billing.by_month (at timestamptz NOT NULL, v text) PARTITION BY RANGE (at);
CREATE TABLE billing.by_month_1 PARTITION OF billing.by_month FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00');
CREATE TABLE billing.by_month_2 PARTITION OF billing.by_month FOR VALUES FROM ('2024-02-01 00:00+00') TO ('2024-03-01 00:00+00');
INSERT INTO billing.by_month SELECT '2024-01-02 00:00+00'::timestamptz + i * interval '1 day', 'v' || i FROM generate_series(1, 50) AS i;
ALTER TABLE billing.by_month DETACH PARTITION billing.by_month_1;

CREATE TABLE billing.hashed (id bigint, v text) PARTITION BY HASH (id);
CREATE TABLE billing.hashed_0 PARTITION OF billing.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE billing.hashed_1 PARTITION OF billing.hashed FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE billing.hashed_3 PARTITION OF billing.hashed FOR VALUES WITH (MODULUS 4, REMAINDER 3);
INSERT INTO billing.hashed SELECT i, 'h' || i FROM generate_series(1, 100) AS i;

CREATE TABLE billing.by_mood (mood app.mood NOT NULL, n integer) PARTITION BY HASH (mood);
CREATE TABLE billing.by_mood_0 PARTITION OF billing.by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE billing.by_mood_1 PARTITION OF billing.by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE billing.by_mood_2 PARTITION OF billing.by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO billing.by_mood SELECT (ARRAY['blue', 'ok', 'happy']::app.mood[])[1 + i % 3], i FROM generate_series(1, 90) AS i;
CREATE INDEX by_mood_n ON billing.by_mood (n);

CREATE TABLE billing.by_word (word text, n integer) PARTITION BY RANGE (word);
CREATE TABLE billing.by_word_am PARTITION OF billing.by_word FOR VALUES FROM ('a') TO ('m');
CREATE TABLE billing.by_word_rest PARTITION OF billing.by_word DEFAULT;
INSERT INTO billing.by_word VALUES ('a', 1), ('L', 2), ('z', 3), ('ä', 4), (NULL, 5);
CREATE TABLE billing.by_expression (id integer, v text) PARTITION BY RANGE ((id % 2), lower(v));
CREATE TABLE billing.by_expression_0 PARTITION OF billing.by_expression FOR VALUES FROM (0, MINVALUE) TO (1, MINVALUE);
CREATE TABLE billing.by_expression_1 PARTITION OF billing.by_expression FOR VALUES FROM (1, MINVALUE) TO (2, MINVALUE);
INSERT INTO billing.by_expression SELECT i, 'V' || i FROM generate_series(1, 20) AS i;
CREATE TABLE billing.no_partitions (id integer) PARTITION BY LIST (id);
COMMENT ON TABLE billing.invoices IS 'partitioned';
COMMENT ON TABLE billing.invoices_2021_few IS 'a leaf';
COMMENT ON INDEX billing.invoices_customer IS 'on the root';
