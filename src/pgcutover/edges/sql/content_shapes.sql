-- What a table's stored rows mean: the server's life, the table and its columns, with the values that rows older than a
-- column are read with.
SELECT n.nspname::text,
       c.relname::text,
       concat_ws(' ', c.oid, extract(epoch FROM pg_postmaster_start_time()), md5(
           (SELECT coalesce(string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation,
                                                 a.attisdropped, a.attmissingval::text), ',' ORDER BY a.attnum), '')
              FROM pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0)))
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND c.relnamespace IN ({schemas}) {only}
