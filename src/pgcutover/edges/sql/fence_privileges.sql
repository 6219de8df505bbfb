-- Who may change what: every privilege to write rows, to move a sequence, or to create a table, as aclexplode gives it.
-- Of schemas and the database only those whose owner we can act as; of the rest nothing can be revoked by us.
WITH covered AS (
    SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END AS kind,
           n.nspname AS schema, c.relname AS name, '' AS "column", c.relowner AS owner,
           coalesce(c.relacl, acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char", c.relowner)) AS acl
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'column', n.nspname, c.relname, a.attname, c.relowner, a.attacl
      FROM pg_attribute AS a
      JOIN pg_class AS c ON c.oid = a.attrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped
       AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'schema', n.nspname, n.nspname, '', n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
      FROM pg_namespace AS n
     WHERE n.oid IN ({schemas}) AND pg_has_role(n.nspowner, 'USAGE')
     UNION ALL
    SELECT 'database', '', b.datname, '', b.datdba, coalesce(b.datacl, acldefault('d', b.datdba))
      FROM pg_database AS b
     WHERE b.datname = current_database() AND pg_has_role(b.datdba, 'USAGE')
     UNION ALL
    SELECT 'large object', '', m.oid::text, '', m.lomowner, coalesce(m.lomacl, acldefault('L', m.lomowner))
      FROM pg_largeobject_metadata AS m
     WHERE pg_has_role(m.lomowner, 'USAGE')
)
SELECT c.kind::text,
       c.schema::text,
       c.name::text,
       c.column::text,
       pg_get_userbyid(c.owner)::text,
       pg_get_userbyid(x.grantor)::text,
       coalesce(r.rolname, 'PUBLIC')::text,
       x.privilege_type::text,
       x.is_grantable
  FROM covered AS c
 CROSS JOIN LATERAL aclexplode(c.acl) AS x
  LEFT JOIN pg_roles AS r ON r.oid = x.grantee
 WHERE (x.grantee = 0 OR r.oid IS NOT NULL)
   AND x.privilege_type = ANY (CASE c.kind WHEN 'table' THEN ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']
                                           WHEN 'column' THEN ARRAY['INSERT', 'UPDATE']
                                           WHEN 'large object' THEN ARRAY['UPDATE']
                                           WHEN 'sequence' THEN ARRAY['USAGE', 'UPDATE']
                                           ELSE ARRAY['CREATE'] END)
 ORDER BY 1, 2, 3, 4, 7, 8
