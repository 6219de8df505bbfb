-- Ends what our workers and pg_restore still do in this database.
SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid))
  FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database() AND usename = current_user AND pid <> pg_catalog.pg_backend_pid()
   AND (application_name LIKE 'pgcutover copy%' OR application_name LIKE 'pgcutover restore%')
