-- Every built-in type with extreme values.
CREATE TABLE app.numbers_extreme (id integer PRIMARY KEY, s smallint, i integer, b bigint, n numeric, f real, d double precision,
    m money, o oid, x xid, c cid, x8 xid8, l pg_lsn);
INSERT INTO app.numbers_extreme VALUES
    (1, -32768, -2147483648, -9223372036854775808, 'NaN', 'NaN', 'NaN', '-92233720368547758.08', 0, '0', '0', '0', '0/0'),
    (2, 32767, 2147483647, 9223372036854775807, 'Infinity', 'Infinity', 'Infinity', '92233720368547758.07', 4294967295, '4294967295', '4294967295', '18446744073709551615', 'FFFFFFFF/FFFFFFFF'),
    (3, 0, 0, 0, '-Infinity', '-Infinity', '-Infinity', 0, 1, '1', '1', '1', '1/1'),
    (4, 1, 1, 1, '0.00000000000000000000', '-0', '-0', 1, 1, NULL, NULL, NULL, NULL),
    (5, NULL, NULL, NULL, '1.10', 1e-45, 4.9e-324, NULL, NULL, NULL, NULL, NULL, NULL),
    (6, NULL, NULL, NULL, '1.1', 3.4028235e38, 1.7976931348623157e308, NULL, NULL, NULL, NULL, NULL, NULL),
    (7, NULL, NULL, NULL, 10::numeric ^ 131071, 0.1, 0.1, NULL, NULL, NULL, NULL, NULL, NULL),
    (8, NULL, NULL, NULL, ('1e-16383')::numeric, 1.1754944e-38, 2.2250738585072014e-308, NULL, NULL, NULL, NULL, NULL, NULL),
    (9, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE app.times_extreme (id integer PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval, p0 timestamp(0), i3 interval(3), iy interval year to month);
INSERT INTO app.times_extreme VALUES
    (1, '4713-11-24 BC', '00:00', '00:00+15:59:59', '4713-11-24 00:00 BC', '4713-11-24 00:00+00 BC', '-178000000 years', NULL, NULL, '-1 year'),
    (2, '5874897-12-31', '24:00', '24:00-15:59:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', NULL, NULL, '3 mons'),
    (3, 'infinity', '23:59:59.999999', '00:00+00', 'infinity', 'infinity', '0', 'infinity', '0', '0'),
    (4, '-infinity', '12:00', '12:00:00+05:30', '-infinity', '-infinity', '1 mon -1 day 00:00:00.000001', '-infinity', '1.234', '14 mons'),
    (5, '0001-01-01 BC', '00:00:00.000001', NULL, '0044-03-15 12:00 BC', '0044-03-15 12:00+00 BC', '-1 mon +1 day -25:00:00', '2020-01-01 00:00:00', '1 day', NULL),
    (6, '2024-03-10', NULL, NULL, '2024-03-10 02:30', '2024-11-03 01:30-04', '1 year 2 mons 3 days 04:05:06.789', NULL, NULL, NULL);
CREATE TABLE app.texts_extreme (id integer PRIMARY KEY, t text, v varchar(5), c char(5), c1 "char", n name, b bytea, j json, jb jsonb,
    u uuid, bt bit(3), vb bit varying(7), tv tsvector, tq tsquery, jp jsonpath);
INSERT INTO app.texts_extreme VALUES
    (1, '', '', '', '', '', '', '""', '""', '00000000-0000-0000-0000-000000000000', B'000', B'', '', '', '$'),
    (2, E'\\N', E'\\N', '\.', E'\\200', 'x', '\x00', '  {"b":1 , "a" : 1, "a":2} ', '{"b": 1, "a": 2}', 'ffffffff-ffff-ffff-ffff-ffffffffffff', B'101', B'1010101', $$'a':1A,2B 'b' '\\' ''''$$, $$'a':AB & !'b' <-> ('c' | 'd':*)$$, 'strict $."a b"[*] ? (@ > 1)'),
    (3, E'tab\tnl\ncr\rbs\b\\ vt\v ff\f', 'a    ', 'a', 'a', 'n', '\xff00fe', '[]', '[]', NULL, NULL, NULL, NULL, NULL, NULL),
    (4, U&'\FEFF\200B\+01F600\0041\030A', U&'\00E9', 'é', NULL, 'é', decode(repeat('00ff', 1000), 'hex'), 'null', 'null', NULL, NULL, NULL, NULL, NULL, NULL),
    (5, ' trailing ', NULL, NULL, NULL, NULL, NULL, '1e400', '1e400', NULL, NULL, NULL, NULL, NULL, NULL),
    (6, NULL, NULL, NULL, NULL, NULL, NULL, '"\u00e9"', '{"deep": [[[[[[[[[[{"x": [1.10, -0.0, 1e5, true, null, "\u00e9"]}]]]]]]]]]]}', NULL, NULL, NULL, NULL, NULL, NULL),
    (7, E'\u2028\u2029\u0085\x01\x7f', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE app.shapes_extreme (id integer PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, ci circle, i inet, cd cidr, m macaddr, m8 macaddr8);
INSERT INTO app.shapes_extreme VALUES
    (1, '(NaN,Infinity)', '{1,0,-0.5}', '[(0,0),(0,0)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),0>', '::', '::/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00'),
    (2, '(-0,1e308)', '{-1,0,1e300}', '[(1e-300,0),(1,2)]', '(Infinity,Infinity),(-Infinity,-Infinity)', '((0,0),(1,1))', '((0,0))', '<(1e308,1),Infinity>', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/1', '10.0.0.0/8', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '192.168.0.1/24', '0.0.0.0/0', NULL, NULL);
CREATE TABLE app.ranges_extreme (id integer PRIMARY KEY, i4 int4range, i8 int8range, n numrange, d daterange, ts tsrange, tz tstzrange,
    m4 int4multirange, mn nummultirange, mtz tstzmultirange, f app.float_range, mf app.many_floats, bt app.byte_texts);
INSERT INTO app.ranges_extreme VALUES
    (1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}', '{}', '{}', 'empty', '{}', 'empty'),
    (2, '(,)', '[-9223372036854775808,9223372036854775807)', '[NaN,NaN]', '[-infinity,infinity]', '(-infinity,infinity]', '[,2020-01-01 00:00+00)', '{[1,3),[5,)}', '{(,1.10),[2,3.0)}', '{[infinity,infinity]}', '[-0,1e300)', '{[1,2),(3,4]}', '[a,"b,c"]'),
    (3, '[1,1]', NULL, '(0.10,1.0]', '[2020-01-01,2020-01-01]', NULL, NULL, NULL, NULL, NULL, '(5,]', NULL, E'["\\"","\\\\")');
CREATE TABLE app.arrays_extreme (id integer PRIMARY KEY, i integer[], t text[][], m app.mood[], p app.point3[], d app.positives, n numeric[], b bytea[], j jsonb[], tz timestamptz[],
    ne app.nested, pl app.place, bx box[], iv interval[], nothing app.nothing_inside, un app.unchecked);
INSERT INTO app.arrays_extreme VALUES
    (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, NULL, '{}', '{}', ROW(), NULL),
    (2, '[-5:-3]={1,NULL,3}', '{{"a","NULL"},{NULL,"b\"\\,{}"}}', '{blue,NULL,"never felt"}', ARRAY[ROW(1, 'NaN', '(")')::app.point3, NULL, ROW(NULL, NULL, NULL)::app.point3], '{1,2}',
     '{NaN,Infinity,0.00}', '{"\\x00","\\x"}', ARRAY['{"a": [1]}'::jsonb, 'null', NULL], '{infinity,-infinity}', ROW(ROW(1, 2, 'x')::app.point3, ARRAY[ROW(3, 4, 'y,"')::app.point3], 'ångry "quoted" ''')::app.nested,
     ROW(1, 1, '')::app.place, '{(1,1),(0,0);(2,2),(1,1)}', '{1 day,-00:00:01}', NULL, ''),
    (3, '{{{1},{2}},{{3},{4}}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ROW(NULL, '{}', NULL)::app.nested, NULL, NULL, NULL, NULL, 'a'),
    (4, NULL, '{""}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE app.names_of_things (id integer PRIMARY KEY, t regtype, c regclass, p regproc, pp regprocedure, o regoper, oo regoperator, n regnamespace, cfg regconfig, dict regdictionary, coll regcollation,
    ts regtype[], snap pg_snapshot, old txid_snapshot, tid tid);
INSERT INTO app.names_of_things VALUES
    (1, 'app.mood', '"Weird Schema"."Odd ""Tab"" le."', 'app.half', 'app.overloaded(text)', 'app.===', 'app.+(app.point3,app.point3)', 'app', 'app.words', 'app.stems', 'app.bytes', '{app.mood,integer}', '1:5:2,3', '1:5:', '(0,1)'),
    (2, 'integer[]', 'pg_class', 'pg_catalog.now', 'upper(text)', NULL, '*(integer,integer)', 'pg_catalog', 'english', 'simple', '"C"', '{}', NULL, NULL, '(4294967295,65535)'),
    (3, '-', '-', '-', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, '999999', '999999', '999999', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE app.big_values (id integer PRIMARY KEY, t text, b bytea);
ALTER TABLE app.big_values ALTER t SET STORAGE EXTERNAL;
INSERT INTO app.big_values VALUES (1, repeat('0123456789abcdef', 1024 * 1024 / 4), decode(repeat('00ff', 1024 * 1024), 'hex'));
