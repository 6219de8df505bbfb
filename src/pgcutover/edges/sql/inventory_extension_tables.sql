-- Tables of extensions that hold rows of the customer's own: pg_dump writes them out, a copy by table would not.
-- https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
SELECT e.extname::text, n.nspname::text, c.relname::text, k.condition
  FROM pg_extension AS e
 CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS k (relation, condition)
  JOIN pg_class AS c ON c.oid = k.relation
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND has_schema_privilege(n.oid, 'USAGE')
   AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1, 2, 3
