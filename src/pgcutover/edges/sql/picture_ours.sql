-- Every schema of this database that bears pgcutover's name.
SELECT 'schema ' || nspname, 'there' FROM pg_namespace WHERE nspname LIKE 'pgcutover%' ORDER BY 1
