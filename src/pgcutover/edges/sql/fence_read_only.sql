-- What ALTER DATABASE set default_transaction_read_only to; no row when it set nothing.
SELECT split_part(e.entry, '=', 2)
  FROM pg_db_role_setting AS s
  JOIN pg_database AS b ON b.oid = s.setdatabase
 CROSS JOIN unnest(s.setconfig) AS e (entry)
 WHERE s.setrole = 0 AND b.datname = current_database()
   AND split_part(e.entry, '=', 1) = 'default_transaction_read_only'
