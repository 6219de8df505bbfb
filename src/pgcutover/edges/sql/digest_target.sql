-- The transaction that brought a chunk and its marker, and the pages of the table; 0 where there are no TID range scans.
-- https://www.postgresql.org/docs/release/14.0/
SELECT xmin::text::bigint,
       CASE WHEN current_setting('server_version_num')::integer >= 140000
            THEN pg_relation_size(%(table)s::regclass) / current_setting('block_size')::bigint
            ELSE 0 END
  FROM pgcutover.chunk
 WHERE run_id = %(run)s AND chunk = %(chunk)s
