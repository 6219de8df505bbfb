-- Installed extensions; plpgsql is everywhere already but listed all the same.
SELECT e.extname::text, e.extversion, n.nspname::text
  FROM pg_extension AS e
  JOIN pg_namespace AS n ON n.oid = e.extnamespace
 ORDER BY e.extname
