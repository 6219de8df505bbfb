-- Rows that are arriving now, by table. The view is there from 14 on.
SELECT n.nspname::text, c.relname::text, p.bytes_processed, p.tuples_processed
  FROM pg_catalog.pg_stat_progress_copy AS p
  JOIN pg_catalog.pg_class AS c ON c.oid = p.relid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE p.datname = pg_catalog.current_database() AND p.command = 'COPY FROM'
