-- Every table and materialised view of which statistics can be gathered without asking a foreign server.
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
   AND n.nspname <> 'information_schema'
   AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
   AND (c.relkind <> 'm' OR c.relispopulated)
   AND NOT EXISTS (
       WITH RECURSIVE below (oid) AS (
           SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid
            UNION
           SELECT i.inhrelid FROM below AS b JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.oid)
       SELECT FROM below AS b JOIN pg_catalog.pg_class AS f ON f.oid = b.oid WHERE f.relkind = 'f')
 ORDER BY 1, 2
