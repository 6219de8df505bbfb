-- What stands in the current database: extensions with their schemas, schemas, and whether PUBLIC may create in public.
SELECT
    (SELECT coalesce(pg_catalog.array_agg(e.extname::text || chr(31) || n.nspname ORDER BY e.extname), '{}')
     FROM pg_catalog.pg_extension AS e
     JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
     WHERE e.extname <> 'plpgsql') AS extensions,
    (SELECT coalesce(pg_catalog.array_agg(nspname::text ORDER BY nspname), '{}')
     FROM pg_catalog.pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')) AS schemas,
    coalesce((SELECT pg_catalog.bool_or(acl.privilege_type = 'CREATE' AND acl.grantee = 0)
     FROM pg_catalog.pg_namespace AS n,
          pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS acl
     WHERE n.nspname = 'public'), false) AS public_create
