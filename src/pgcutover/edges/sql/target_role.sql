-- One role, whether it is more than an application may be, the mark that says who made it, and whether it may see and
-- end the sessions of other roles.
SELECT r.rolname::text,
       r.rolcanlogin,
       r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls OR EXISTS (
           SELECT FROM pg_catalog.pg_roles AS above
           WHERE above.rolname IN ('rds_superuser', 'rds_replication')
             AND pg_catalog.pg_has_role(r.oid, above.oid, 'MEMBER')
       ) AS privileged,
       coalesce(pg_catalog.shobj_description(r.oid, 'pg_authid'), '') AS mark,
       pg_catalog.pg_has_role(r.oid, 'pg_monitor', 'USAGE')
           AND pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE') AS ends_sessions
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = %(name)s
