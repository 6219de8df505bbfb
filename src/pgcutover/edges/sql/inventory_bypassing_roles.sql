-- Roles that can log in here and write whatever the privileges say, but for the platform's own: of the bootstrap superuser
-- the oid is 10. https://www.postgresql.org/docs/current/system-catalog-initial-data.html
SELECT r.rolname
  FROM pg_roles AS r
 WHERE r.rolcanlogin AND r.oid <> 10
   AND r.rolname NOT IN ('postgres', 'heroku_admin', 'rdsadmin', 'rdsrepladmin', 'cloudsqladmin', 'azuresu')
   AND has_database_privilege(r.oid, current_database(), 'CONNECT')
   AND (r.rolsuper
        OR EXISTS (SELECT FROM pg_roles AS w
                    WHERE w.rolname = 'pg_write_all_data' AND pg_has_role(r.oid, w.oid, 'MEMBER')))
