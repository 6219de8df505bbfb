-- What only two servers of 15 or later can agree on: sequences that are not logged, and the database's collation version.
SELECT 'unlogged sequence' AS kind, format('%I.%I', n.nspname, c.relname) AS name, '' AS definition
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence = 'u' AND c.relnamespace IN ({schemas})
 UNION ALL
SELECT 'collation version', 'of the database', coalesce(b.datcollversion, '')
  FROM pg_database AS b WHERE b.datname = current_database()
