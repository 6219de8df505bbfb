-- Roles that own something here or are granted something here; the database's owner and built-in roles are left out.
SELECT DISTINCT r.rolname::text
  FROM pg_shdepend AS d
  JOIN pg_database AS b ON b.datname = current_database()
  JOIN pg_roles AS r ON r.oid = d.refobjid
 WHERE d.refclassid = 'pg_authid'::regclass
   AND (d.dbid = b.oid OR (d.dbid = 0 AND d.classid = 'pg_database'::regclass AND d.objid = b.oid))
   AND r.oid <> b.datdba
   AND NOT r.rolsuper
   AND r.rolname !~ '^pg_'
 ORDER BY 1
