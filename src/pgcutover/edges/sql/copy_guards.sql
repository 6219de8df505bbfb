-- Tables, or partitions of theirs, that do something of their own with rows that arrive.
SELECT c.oid::regclass::text AS name
  FROM pg_catalog.unnest($1::text[]) AS g (name)
 CROSS JOIN LATERAL (
       SELECT g.name::regclass::oid AS relid
        UNION
       SELECT relid FROM pg_catalog.pg_partition_tree(g.name::regclass)) AS t
  JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
 WHERE c.relhasrules OR c.relrowsecurity OR EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid)
 LIMIT 1
