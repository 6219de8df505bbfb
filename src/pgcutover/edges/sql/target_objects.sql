-- The first few things that somebody made in the current database, outside extensions and pgcutover's own schema.
WITH made (kind, schema_oid, name, class_oid, object_oid) AS (
    SELECT 'relation', relnamespace, relname::text, 'pg_catalog.pg_class'::regclass, oid
    FROM pg_catalog.pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'function', pronamespace, proname::text, 'pg_catalog.pg_proc'::regclass, oid FROM pg_catalog.pg_proc
    UNION ALL
    SELECT 'type', typnamespace, typname::text, 'pg_catalog.pg_type'::regclass, oid
    FROM pg_catalog.pg_type
    WHERE typtype IN ('e', 'd', 'r')
)
SELECT made.kind || ' ' || n.nspname || '.' || made.name
FROM made
JOIN pg_catalog.pg_namespace AS n ON n.oid = made.schema_oid
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgcutover')
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = made.class_oid AND d.objid = made.object_oid AND d.deptype = 'e'
  )
ORDER BY 1
LIMIT 5
