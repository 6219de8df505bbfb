-- Whether the database has unlogged tables.
SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND n.nspname !~ '^pg_')
