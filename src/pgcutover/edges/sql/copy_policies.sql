-- Policies that name the database's owner, by their parts.
SELECT n.nspname::text, c.relname::text, p.polname::text, p.polpermissive,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                     ELSE 'ALL' END,
       ARRAY(SELECT CASE WHEN r.role = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(r.role)::text END
               FROM pg_catalog.unnest(p.polroles) WITH ORDINALITY AS r (role, place)
              ORDER BY r.place),
       pg_catalog.pg_get_expr(p.polqual, p.polrelid),
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
       pg_catalog.obj_description(p.oid, 'pg_policy')
  FROM pg_catalog.pg_policy AS p
  JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_database AS b ON b.datname = pg_catalog.current_database()
 WHERE b.datdba = ANY (p.polroles) AND n.nspname NOT IN ('_heroku', 'pgcutover')
 ORDER BY 1, 2, 3
