-- Sessions whose locks on these tables keep an EXCLUSIVE lock away, and on which of them. (A prepared transaction's locks
-- have no session; those are looked for by themselves.)
SELECT l.pid,
       coalesce(a.usename, a.backend_type, '')::text,
       coalesce(host(a.client_addr), '')::text,
       coalesce(a.application_name, '')::text,
       coalesce(a.state, '')::text,
       a.backend_start,
       coalesce(r.rolsuper, true) AND NOT m.rolsuper AS beyond_reach,
       string_agg(DISTINCT format('%%s.%%s', t.schema, t.name), ', ') AS tables
  FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS t (schema, name)
  JOIN pg_namespace AS n ON n.nspname = t.schema
  JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name
  JOIN pg_locks AS l ON l.relation = c.oid AND l.locktype = 'relation' AND l.granted
  JOIN pg_database AS b ON b.oid = l.database AND b.datname = current_database()
  JOIN pg_roles AS m ON m.rolname = current_user
  LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
 WHERE l.mode <> 'AccessShareLock'
   AND l.pid IS NOT NULL
   AND l.pid <> %(holder)s
 GROUP BY 1, 2, 3, 4, 5, 6, 7
