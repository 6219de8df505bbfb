-- What the role we log in as lacks on the database itself, as (kind, name). A fence needs the owner's rights; the record
-- of the run needs a schema; ending others' sessions needs pg_signal_backend, or membership in each of them, and
-- pg_read_all_stats tells their age.
SELECT 'not_the_owner' AS kind, d.datname::text AS name
  FROM pg_database AS d
 WHERE d.datname = current_database() AND NOT pg_has_role(d.datdba, 'USAGE')
 UNION ALL
SELECT 'no_schemas', d.datname
  FROM pg_database AS d
 WHERE d.datname = current_database() AND NOT has_database_privilege(d.oid, 'CREATE')
   -- Where our schema is, none needs to be made; and a fence that stands took this right itself.
   AND to_regnamespace('pgcutover') IS NULL
 UNION ALL
SELECT 'others_sessions', r.name
  FROM ({roles}) AS r (name)
  JOIN pg_roles AS o ON o.rolname = r.name
 WHERE o.rolcanlogin
   AND has_database_privilege(o.oid, current_database(), 'CONNECT')
   AND NOT pg_has_role(o.oid, 'USAGE')
   AND NOT (pg_has_role('pg_signal_backend', 'USAGE') AND pg_has_role('pg_read_all_stats', 'USAGE'))
