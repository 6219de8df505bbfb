-- What rows are put through when they are indexed, where functions or operators of the customer's take part (what
-- PostgreSQL brings itself is pinned and leaves no row in pg_depend).
-- https://www.postgresql.org/docs/current/catalog-pg-depend.html
SELECT t.nspname::text, r.relname::text,
       format('index %I.%I', n.nspname, c.relname),
       CASE
           WHEN i.indpred IS NULL THEN one.expression
           ELSE format('CASE WHEN %s THEN (%s) END',
                       pg_get_expr(i.indpred, i.indrelid), coalesce(one.expression, 'true'))
       END
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_class AS r ON r.oid = i.indrelid
  JOIN pg_namespace AS t ON t.oid = r.relnamespace
  LEFT JOIN LATERAL (
      SELECT pg_get_indexdef(i.indexrelid, k, false) AS expression
        FROM generate_series(1, i.indnkeyatts) AS k
       WHERE i.indkey[k - 1] = 0
  ) AS one ON true
 WHERE r.relkind IN ('r', 'm')
   AND i.indisvalid
   AND t.oid IN ({schemas})
   AND (one.expression IS NOT NULL OR i.indpred IS NOT NULL)
   AND EXISTS (
       SELECT
         FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass
          AND d.objid = i.indexrelid
          AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
   )
   AND has_schema_privilege(t.oid, 'USAGE')
   AND has_table_privilege(r.oid, 'SELECT')
 ORDER BY 1, 2, 3
