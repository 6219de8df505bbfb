-- Fill acme's tables: `acme.scale` times the smallest useful amount, the same rows for the same `acme.seed`.
-- Numbers come from a hash of the row's own number, so that no plan and no order of evaluation can change them.

CREATE FUNCTION pg_temp.dice(i bigint, salt integer) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hashint8extended(i, current_setting('acme.seed')::bigint * 1000 + salt) & 9223372036854775807
$$;
CREATE FUNCTION pg_temp.up_to(i bigint, salt integer, most bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT 1 + pg_temp.dice(i, salt) % most
$$;
CREATE FUNCTION pg_temp.words(i bigint, salt integer) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT md5(pg_temp.dice(i, salt)::text)
$$;
CREATE FUNCTION pg_temp.moment(i bigint, salt integer) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT timestamptz '2026-01-01 00:00Z' + make_interval(secs => pg_temp.dice(i, salt) % 15500000)
$$;

INSERT INTO accounts (name, plan, settings, address, credit, created_at, updated_at)
SELECT initcap(left(pg_temp.words(i, 1), 8)) || ' ' || (ARRAY ['Ltd', 'GmbH', 'Żółć SA', '株式会社'])[pg_temp.up_to(i, 2, 4)],
       (enum_range(NULL::account_plan))[pg_temp.up_to(i, 3, 4)],
       jsonb_build_object('beta', i % 7 = 0, 'seats', pg_temp.up_to(i, 4, 500), 'note', E'line\nbreak\ttab \\ "quote"'),
       CASE WHEN i % 3 > 0 THEN ROW('1 High Street', 'Zürich', lpad((i % 9999)::text, 4, '0'), 'CH')::postal_address END,
       pg_temp.dice(i, 5) % 100000000 / 10000.0,
       pg_temp.moment(i, 6), pg_temp.moment(i, 6) + interval '1 day'
  FROM generate_series(1::bigint, 250 * current_setting('acme.scale')::bigint) i;

INSERT INTO users (account_id, email, name, password_digest, active, tags, last_ip, score, created_at, updated_at)
SELECT pg_temp.up_to(i, 10, 250 * current_setting('acme.scale')::bigint),
       'User' || i || '@' || left(pg_temp.words(i, 11), 6) || '.example',
       CASE WHEN i % 11 > 0 THEN 'Ünal ' || left(pg_temp.words(i, 12), 10) END,
       decode(pg_temp.words(i, 13) || pg_temp.words(i, 14), 'hex'),
       i % 5 > 0,
       CASE WHEN i % 4 = 0 THEN ARRAY ['admin', NULL, 'a "b" {c}'] ELSE '{}' END,
       CASE WHEN i % 2 = 0 THEN '10.0.0.0'::inet + i % 65536 ELSE '2001:db8::'::inet + i END,
       CASE i % 100 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' ELSE (pg_temp.dice(i, 15) % 1000) / 7.0 END,
       pg_temp.moment(i, 16), pg_temp.moment(i, 16)
  FROM generate_series(1::bigint, 2000 * current_setting('acme.scale')::bigint) i;

INSERT INTO orders (account_id, user_id, status, currency, total, deliver_in, meta, placed_at, updated_at)
SELECT pg_temp.up_to(i, 20, 250 * current_setting('acme.scale')::bigint),
       CASE WHEN i % 13 > 0 THEN pg_temp.up_to(i, 21, 2000 * current_setting('acme.scale')::bigint) END,
       (enum_range(NULL::order_status))[pg_temp.up_to(i, 22, 6)],
       (ARRAY ['EUR', 'USD', 'CHF'])[pg_temp.up_to(i, 23, 3)],
       pg_temp.dice(i, 24) % 1000000 / 100.0,
       CASE WHEN i % 3 = 0 THEN make_interval(days => (i % 30)::integer, hours => (i % 24)::integer) END,
       CASE WHEN i % 10 > 0 THEN
           jsonb_build_object('source', (ARRAY ['web', 'api', 'phone'])[pg_temp.up_to(i, 25, 3)], 'ref', pg_temp.words(i, 26)) END,
       pg_temp.moment(i, 27), pg_temp.moment(i, 27)
  FROM generate_series(1::bigint, 7500 * current_setting('acme.scale')::bigint) i;

INSERT INTO order_items (order_id, line_no, sku, quantity, unit_price)
SELECT o, line, upper(left(pg_temp.words(o * 10 + line, 30), 10)), pg_temp.up_to(o * 10 + line, 31, 9),
       pg_temp.dice(o * 10 + line, 32) % 50000 / 100.0
  FROM generate_series(1::bigint, 7500 * current_setting('acme.scale')::bigint) o,
       generate_series(1, pg_temp.up_to(o, 33, 3)) line;

INSERT INTO events (account_id, kind, payload, created_at)
SELECT pg_temp.up_to(i, 40, 250 * current_setting('acme.scale')::bigint),
       (ARRAY ['login', 'view', 'purchase', 'export'])[pg_temp.up_to(i, 41, 4)],
       jsonb_build_object('path', '/' || left(pg_temp.words(i, 42), 12), 'ms', pg_temp.dice(i, 43) % 4000),
       -- One in fifty is older or newer than every monthly partition.
       pg_temp.moment(i, 44) + CASE i % 100 WHEN 0 THEN interval '-1 year' WHEN 50 THEN interval '1 year' ELSE '0' END
  FROM generate_series(1::bigint, 15000 * current_setting('acme.scale')::bigint) i;

-- Hexadecimal digits of hashes hardly compress, so every fourth body lives out of line.
INSERT INTO documents (id, account_id, title, body, raw, embedding, valid, created_at)
SELECT pg_temp.words(i, 50)::uuid, pg_temp.up_to(i, 51, 250 * current_setting('acme.scale')::bigint),
       'Document ' || i,
       CASE WHEN i % 20 > 0 THEN (
           SELECT string_agg(pg_temp.words(i * 1000 + part, 52), ' ')
             FROM generate_series(1, CASE WHEN i % 4 = 0 THEN 400 ELSE 30 END) part) END,
       CASE WHEN i % 5 = 0 THEN (
           SELECT decode(string_agg(pg_temp.words(i * 1000 + part, 53), ''), 'hex') FROM generate_series(1, 300) part) END,
       (SELECT array_agg((pg_temp.dice(i * 8 + part, 54) % 2000 - 1000) / 1000.0 ORDER BY part)
          FROM generate_series(1, 8) part)::real[]::heroku_ext.vector,
       CASE WHEN i % 6 = 0 THEN tstzrange(pg_temp.moment(i, 55), NULL) END,
       pg_temp.moment(i, 56)
  FROM generate_series(1::bigint, 150 * current_setting('acme.scale')::bigint) i;

-- i / 2: every row twice.
INSERT INTO audit_log (at, actor, action, detail)
SELECT CASE WHEN i % 17 > 1 THEN pg_temp.moment(i / 2, 60) END,
       CASE WHEN i % 9 > 1 THEN 'user-' || pg_temp.up_to(i / 2, 61, 50) END,
       (ARRAY ['create', 'update', 'delete'])[pg_temp.up_to(i / 2, 62, 3)],
       CASE WHEN i % 19 > 1 THEN jsonb_build_object('row', i / 2) END
  FROM generate_series(1::bigint, 2500 * current_setting('acme.scale')::bigint) i;

INSERT INTO shipments (carrier, order_id, weight_kg, handed_over)
SELECT (enum_range(NULL::carrier))[pg_temp.up_to(i, 70, 4)],
       pg_temp.up_to(i, 71, 7500 * current_setting('acme.scale')::bigint),
       pg_temp.dice(i, 72) % 10000 / 333.0, date '2026-01-01' + (i % 180)::integer
  FROM generate_series(1::bigint, 2000 * current_setting('acme.scale')::bigint) i;

INSERT INTO contacts (name, phone)
SELECT 'Contact ' || i, '+41 ' || pg_temp.dice(i, 80) % 100000000
  FROM generate_series(1::bigint, 100 * current_setting('acme.scale')::bigint) i;
INSERT INTO vip_contacts (name, phone, discount)
SELECT 'VIP ' || i, NULL, pg_temp.dice(i, 81) % 3000 / 100.0
  FROM generate_series(1::bigint, 25 * current_setting('acme.scale')::bigint) i;

INSERT INTO "Weird ""Name"" table" ("select", "Mixed Case", "ünïcödé", "a.b", "%s", t, found, "order")
SELECT i, E'tab\there', '☃ ' || pg_temp.words(i, 90), E'\\N', '', CASE WHEN i % 2 = 0 THEN 'NULL' END, i % 3 = 0, -i
  FROM generate_series(1, 200) i;

INSERT INTO ledger_entries (token, app, kind, version, payload, created_at)
SELECT pg_temp.words(i, 95)::uuid, 'acme-api', 'seed', 0, pg_temp.words(i, 96), pg_temp.moment(i, 97)
  FROM generate_series(1::bigint, 200) i;

INSERT INTO billing.invoices (account_id, position, period, total, paid)
SELECT account, month, daterange((date '2026-01-01' + make_interval(months => month - 1))::date,
                                 (date '2026-01-01' + make_interval(months => month))::date),
       pg_temp.dice(account * 12 + month, 100) % 500000 / 100.0, month < 5
  FROM generate_series(1::bigint, 250 * current_setting('acme.scale')::bigint) account, generate_series(1, 6) month;

-- Payments 1 in 400 of which name an invoice that is gone: why their foreign key was never validated.
INSERT INTO billing.payments (invoice_id, amount, method, paid_at)
SELECT CASE WHEN i % 400 = 0 THEN -i ELSE pg_temp.up_to(i, 110, 1500 * current_setting('acme.scale')::bigint) END,
       pg_temp.dice(i, 111) % 1000000 / 1000.0, (ARRAY ['card', 'sepa', 'cash'])[pg_temp.up_to(i, 112, 3)],
       pg_temp.moment(i, 113) AT TIME ZONE 'UTC'
  FROM generate_series(1::bigint, 1000 * current_setting('acme.scale')::bigint) i;
