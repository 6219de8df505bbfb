-- Sessions whose locks on these tables keep an EXCLUSIVE lock away. Prepared transactions have no session: their gid.
SELECT DISTINCT l.pid,
       coalesce(a.usename, a.backend_type, '')::text,
       coalesce(host(a.client_addr), '')::text,
       coalesce(a.application_name, '')::text,
       coalesce(a.state, '')::text,
       a.backend_start,
       coalesce(r.rolsuper, true) AND NOT m.rolsuper AS beyond_reach
  FROM pg_locks AS l
  JOIN pg_roles AS m ON m.rolname = current_user
  LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
 WHERE l.locktype = 'relation' AND l.granted
   AND l.database = (SELECT b.oid FROM pg_database AS b WHERE b.datname = current_database())
   AND l.relation IN (SELECT c.oid
                        FROM pg_class AS c
                        JOIN pg_namespace AS n ON n.oid = c.relnamespace
                        JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS t (schema, name)
                          ON t.schema = n.nspname AND t.name = c.relname)
   AND l.mode <> 'AccessShareLock'
   AND l.pid IS NOT NULL
   AND l.pid <> %(holder)s
