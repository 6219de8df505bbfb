-- What a table's rows are put through when they are loaded and indexed, where functions or operators of the customer's
-- take part (what PostgreSQL brings itself is pinned and leaves no row in pg_depend).
-- https://www.postgresql.org/docs/current/catalog-pg-depend.html
WITH called AS (
    SELECT DISTINCT classid, objid, objsubid
      FROM pg_depend
     WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
), found AS (
    SELECT i.indrelid AS relation,
           format('index %I.%I', n.nspname, c.relname) AS name,
           CASE
               WHEN i.indpred IS NULL THEN one.expression
               ELSE format('CASE WHEN %s THEN (%s) END',
                           pg_get_expr(i.indpred, i.indrelid), coalesce(one.expression, 'true'))
           END AS expression
      FROM pg_index AS i
      JOIN pg_class AS c ON c.oid = i.indexrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN LATERAL (
          SELECT pg_get_indexdef(i.indexrelid, k, false) AS expression
            FROM generate_series(1, i.indnkeyatts) AS k
           WHERE i.indkey[k - 1] = 0
      ) AS one ON true
     WHERE EXISTS (SELECT FROM called WHERE classid = 'pg_class'::regclass AND objid = i.indexrelid)
       AND (one.expression IS NOT NULL OR i.indpred IS NOT NULL)
     UNION ALL
    SELECT k.conrelid,
           format('constraint %I', k.conname),
           pg_get_expr(k.conbin, k.conrelid)
      FROM pg_constraint AS k
     WHERE k.contype = 'c'
       AND k.conrelid <> 0
       AND EXISTS (SELECT FROM called WHERE classid = 'pg_constraint'::regclass AND objid = k.oid)
     UNION ALL
    SELECT d.adrelid,
           format('generated column %I', a.attname),
           pg_get_expr(d.adbin, d.adrelid)
      FROM pg_attrdef AS d
      JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     WHERE a.attgenerated = 's'
       AND EXISTS (SELECT FROM called WHERE classid = 'pg_attrdef'::regclass AND objid = d.oid)
)
SELECT n.nspname::text, c.relname::text,
       CASE WHEN found.name LIKE 'index %' THEN found.name ELSE format('%s of %I.%I', found.name, n.nspname, c.relname) END,
       found.expression
  FROM found
  JOIN pg_class AS c ON c.oid = found.relation
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm')
   AND n.oid IN ({schemas})
   AND has_schema_privilege(n.oid, 'USAGE')
   AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1, 2, 3
