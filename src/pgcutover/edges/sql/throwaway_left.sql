-- Databases that one of us made and did not drop: by name, by owner, and by our mark; or without any mark, but then
-- nobody was ever let in, so nobody can have put anything there.
SELECT d.datname::text
  FROM pg_catalog.pg_database AS d
 WHERE d.datname ~ %(pattern)s
   AND d.datdba = (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
   AND CASE pg_catalog.shobj_description(d.oid, 'pg_database')
            WHEN %(mark)s THEN true
            ELSE pg_catalog.shobj_description(d.oid, 'pg_database') IS NULL AND NOT d.datallowconn END
 ORDER BY d.datname
