-- The queries of filled materialised views that call functions or operators of the customer's.
SELECT DISTINCT n.nspname::text, c.relname::text, rtrim(pg_get_viewdef(c.oid), ';')
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_rewrite AS r ON r.ev_class = c.oid
  JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
 WHERE c.relkind = 'm'
   AND c.relispopulated
   AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
   AND n.oid IN ({schemas})
   AND has_schema_privilege(n.oid, 'USAGE')
   AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1, 2
