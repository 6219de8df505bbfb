-- Tables and materialised views of which the planner lacks statistics that can be gathered without asking a foreign
-- server: it has none, or none of the whole tree, or none of a statistics object.
WITH RECURSIVE tree (root, oid) AS (
    SELECT i.inhparent, i.inhrelid FROM pg_catalog.pg_inherits AS i
     UNION
    SELECT t.root, i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
)
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'pgcutover')
   AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
   AND (c.relkind <> 'm' OR c.relispopulated)
   AND NOT EXISTS (SELECT FROM tree AS t JOIN pg_catalog.pg_class AS f ON f.oid = t.oid
                    WHERE t.root = c.oid AND f.relkind = 'f')
   AND (c.relkind <> 'r'
        OR c.reltuples < 0
        OR NOT EXISTS (SELECT FROM pg_catalog.pg_stats AS s
                        WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited)
        OR EXISTS (SELECT FROM tree AS t WHERE t.root = c.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_statistic_ext AS x WHERE x.stxrelid = c.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
                    WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL
                      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stats AS s
                                       WHERE s.schemaname = n.nspname AND s.tablename = x.relname)))
 ORDER BY 1, 2
