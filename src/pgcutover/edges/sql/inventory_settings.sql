-- What ALTER DATABASE and ALTER ROLE set for sessions of this database, for everyone or for a role that has to do with it.
SELECT coalesce(r.rolname, '')::text AS role,
       coalesce(b.datname, '')::text AS database,
       split_part(e.entry, '=', 1) AS name,
       substr(e.entry, strpos(e.entry, '=') + 1) AS value
  FROM pg_db_role_setting AS s
 CROSS JOIN unnest(s.setconfig) AS e (entry)
  LEFT JOIN pg_roles AS r ON r.oid = s.setrole
  LEFT JOIN pg_database AS b ON b.oid = s.setdatabase
 WHERE (s.setdatabase = 0 OR b.datname = current_database())
   AND (s.setrole = 0 OR r.rolname = ANY (%s))
 ORDER BY 2, 1, 3
