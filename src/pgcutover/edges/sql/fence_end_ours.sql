-- Ends every session of pgcutover but the one that asks, so that it lets go of its locks. A person may run it, too.
SELECT count(pg_terminate_backend(a.pid)) AS ended
  FROM pg_stat_activity AS a
 WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
   AND starts_with(a.application_name, 'pgcutover ')
