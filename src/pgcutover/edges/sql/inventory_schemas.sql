-- The schemas that hold the customer's objects: not the system's, not Heroku's own, not ours.
SELECT n.oid
  FROM pg_namespace AS n
 WHERE n.nspname NOT IN ('_heroku', 'pgcutover', 'information_schema')
   AND n.nspname !~ '^pg_'
