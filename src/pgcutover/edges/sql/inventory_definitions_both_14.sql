-- What only two servers of 14 or later can agree on: the multirange types that ranges have since then.
SELECT 'multirange of' AS kind, r.rngtypid::regtype::text AS name, format('%I.%I', n.nspname, m.typname) AS definition
  FROM pg_range AS r
  JOIN pg_type AS t ON t.oid = r.rngtypid
  JOIN pg_type AS m ON m.oid = r.rngmultitypid
  JOIN pg_namespace AS n ON n.oid = m.typnamespace
 WHERE t.typnamespace IN ({schemas})
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
