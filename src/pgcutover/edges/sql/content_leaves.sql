-- The tables that hold a tree's rows, with their size; a foreign one among them holds rows of another server.
SELECT n.nspname::text,
       c.relname::text,
       c.relkind = 'f' AS elsewhere,
       coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint AS pages,
       coalesce(pg_table_size(c.oid), 0) AS data_bytes
  FROM pg_partition_tree({root}::regclass) AS p
  JOIN pg_class AS c ON c.oid = p.relid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE p.isleaf AND c.relkind <> 'p'
