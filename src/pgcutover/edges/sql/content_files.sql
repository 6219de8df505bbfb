-- The file of everything that holds rows: another number means that TRUNCATE or a rewrite came between (traps.md T7).
SELECT n.nspname::text, c.relname::text, coalesce(pg_relation_filenode(c.oid), 0)::bigint
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
   AND c.relnamespace IN ({schemas})
