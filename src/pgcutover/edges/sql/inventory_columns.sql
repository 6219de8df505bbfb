-- Live columns of every table in attribute order, with the type that is left when domains and arrays are peeled off.
WITH RECURSIVE shown AS (
    SELECT a.*
      FROM pg_attribute AS a
      JOIN pg_class AS c ON c.oid = a.attrelid
     WHERE c.relkind IN ('r', 'p', 'f')
       AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND a.attnum > 0 AND NOT a.attisdropped
), peeled AS (
    SELECT DISTINCT s.atttypid AS worn, s.atttypid AS base FROM shown AS s
     UNION ALL
    SELECT p.worn, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
      FROM peeled AS p
      JOIN pg_type AS t ON t.oid = p.base
     WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1)
), bare AS (
    SELECT p.worn, n.nspname, t.typname, t.typtype
      FROM peeled AS p
      JOIN pg_type AS t ON t.oid = p.base
      JOIN pg_namespace AS n ON n.oid = t.typnamespace
     WHERE NOT (t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1))
)
SELECT s.attrelid::bigint,
       s.attname::text,
       format_type(s.atttypid, s.atttypmod),
       b.nspname::text,
       b.typname::text,
       b.typtype::text,
       (SELECT l.collname::text FROM pg_collation AS l WHERE l.oid = s.attcollation),
       s.attgenerated <> '' AS generated,
       s.attidentity <> '' AS identity,
       s.attnotnull
  FROM shown AS s
  JOIN bare AS b ON b.worn = s.atttypid
 ORDER BY s.attrelid, s.attnum
