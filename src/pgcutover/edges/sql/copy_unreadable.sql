-- Tables whose rows, or some of them, this role would not be given, and why.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
       CASE WHEN c.relrowsecurity AND NOT me.bypass AND (c.relforcerowsecurity OR NOT mine.yes)
            THEN 'row security may hide rows from it' ELSE 'it may not SELECT' END
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 CROSS JOIN (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user) AS me (bypass)
 CROSS JOIN LATERAL (SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE')) AS mine (yes)
 WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', '_heroku', 'pgcutover')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
   AND (NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        OR c.relkind = 'S' AND NOT pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
        OR c.relkind <> 'S' AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
        OR c.relrowsecurity AND NOT me.bypass AND (c.relforcerowsecurity OR NOT mine.yes))
 ORDER BY 1
