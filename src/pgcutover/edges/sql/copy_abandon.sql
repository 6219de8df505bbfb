-- Ends what our workers and pg_restore still do in this database, whichever role they logged in as: how many there were,
-- whose we may not end, and how many were told to end.
WITH at_work AS (
    SELECT a.pid,
           r.rolname::text,
           {may_end} AS may
      FROM pg_catalog.pg_stat_activity AS a
      JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
      JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
     WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
       AND (a.application_name LIKE 'pgcutover copy%' OR a.application_name LIKE 'pgcutover restore%')
)
SELECT pg_catalog.count(*),
       coalesce(pg_catalog.string_agg(DISTINCT rolname, ', ') FILTER (WHERE NOT may), ''),
       pg_catalog.count(CASE WHEN may THEN pg_catalog.pg_terminate_backend(pid) END)
  FROM at_work
