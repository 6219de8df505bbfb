-- Tables that nobody has vacuumed since they were loaded, and that have pages not known to be visible to all (a load may
-- leave empty ones at the end, which never are); largest last. Only those whose owner we are or may act as: others cannot be vacuumed by us.
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relallvisible < c.relpages
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgcutover')
   AND s.last_vacuum IS NULL AND s.last_autovacuum IS NULL
   AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
 ORDER BY c.relpages, 1, 2
