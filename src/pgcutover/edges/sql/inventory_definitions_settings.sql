-- What ALTER DATABASE and ALTER ROLE set for sessions of this database, by who they are for.
SELECT CASE WHEN s.setrole = 0 THEN 'the database'
            ELSE concat_ws(' ', 'role', CASE WHEN s.setrole = b.datdba THEN '(owner)' ELSE quote_ident(r.rolname) END,
                           CASE WHEN s.setdatabase <> 0 THEN 'in the database' END) END AS place,
       split_part(e.entry, '=', 1) AS name,
       substr(e.entry, strpos(e.entry, '=') + 1) AS value
  FROM pg_db_role_setting AS s
 CROSS JOIN unnest(s.setconfig) AS e (entry)
  JOIN pg_database AS b ON b.datname = current_database()
  LEFT JOIN pg_roles AS r ON r.oid = s.setrole
 WHERE s.setdatabase = b.oid
    OR (s.setdatabase = 0 AND s.setrole <> 0 AND (s.setrole = b.datdba OR r.rolname = ANY (%s)))
