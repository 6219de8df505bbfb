-- Sessions on this database that are not ours, with whether we may end them. A role without pg_read_all_stats sees no
-- address, name or start of other roles' sessions. Autovacuum and a query's parallel workers are no clients.
SELECT a.pid,
       coalesce(a.usename, a.backend_type, '')::text,
       coalesce(host(a.client_addr), '')::text,
       coalesce(a.application_name, '')::text,
       coalesce(a.state, '')::text,
       a.backend_start,
       coalesce(r.rolsuper, true) AND NOT m.rolsuper AS beyond_reach
  FROM pg_stat_activity AS a
  JOIN pg_roles AS m ON m.rolname = current_user
  LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
 WHERE a.datname = current_database()
   AND a.pid <> pg_backend_pid()
   AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'parallel worker', 'walsender')
   AND NOT (a.usesysid = m.oid AND starts_with(a.application_name, %(ours)s))
 ORDER BY a.backend_start, a.pid
