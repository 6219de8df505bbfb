-- The table, or a partition of it, that does something of its own with rows that arrive.
SELECT c.oid::regclass::text AS name
  FROM pg_catalog.pg_class AS c
 WHERE (c.oid = $1::regclass
        OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::regclass)))
   AND (c.relhasrules OR c.relrowsecurity
        OR EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid))
 LIMIT 1
