-- Privileges of every object whose ACL is not what a new object of its owner would have; all of them, the owner's too.
-- (The default of columns stands for "nothing": a literal empty array is not a valid ACL.)
-- An object that lost even the last one is listed once, with an empty privilege.
WITH held AS (
    SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END AS kind,
           n.nspname AS schema, format('%I.%I', n.nspname, c.relname) AS object, '' AS "column",
           c.relowner AS owner, c.relacl AS acl,
           acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS usual
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'table', n.nspname, format('%I.%I', n.nspname, c.relname), a.attname, c.relowner, a.attacl,
           acldefault('c', c.relowner)
      FROM pg_attribute AS a
      JOIN pg_class AS c ON c.oid = a.attrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'schema', n.nspname, format('%I', n.nspname), '', n.nspowner, n.nspacl, acldefault('n', n.nspowner)
      FROM pg_namespace AS n
     WHERE n.nspacl IS NOT NULL AND n.oid IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'function', n.nspname,
           format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), '',
           p.proowner, p.proacl, acldefault('f', p.proowner)
      FROM pg_proc AS p
      JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE p.proacl IS NOT NULL AND p.pronamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'type', n.nspname, format('%I.%I', n.nspname, t.typname), '', t.typowner, t.typacl, acldefault('T', t.typowner)
      FROM pg_type AS t
      JOIN pg_namespace AS n ON n.oid = t.typnamespace
     WHERE t.typacl IS NOT NULL AND t.typnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'server', '', format('%I', s.srvname), '', s.srvowner, s.srvacl, acldefault('S', s.srvowner)
      FROM pg_foreign_server AS s
     WHERE s.srvacl IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_foreign_server'::regclass AND d.objid = s.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'large object', '', l.oid::text, '', l.lomowner, l.lomacl, acldefault('L', l.lomowner)
      FROM pg_largeobject_metadata AS l
     WHERE l.lomacl IS NOT NULL
     UNION ALL
    SELECT 'default', coalesce(n.nspname, ''),
           CASE f.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END, '',
           f.defaclrole, f.defaclacl,
           CASE WHEN f.defaclnamespace <> 0 THEN acldefault('c', f.defaclrole)
                ELSE acldefault(CASE f.defaclobjtype WHEN 'S' THEN 's' ELSE f.defaclobjtype END, f.defaclrole) END
      FROM pg_default_acl AS f
      LEFT JOIN pg_namespace AS n ON n.oid = f.defaclnamespace
     WHERE f.defaclnamespace = 0 OR f.defaclnamespace IN ({schemas})
), unusual AS (
    SELECT h.*
      FROM held AS h
     WHERE EXISTS ((SELECT * FROM aclexplode(h.acl) EXCEPT SELECT * FROM aclexplode(h.usual))
                   UNION ALL
                   (SELECT * FROM aclexplode(h.usual) EXCEPT SELECT * FROM aclexplode(h.acl)))
)
SELECT u.kind::text,
       u.schema::text,
       u.object::text,
       u.column::text,
       pg_get_userbyid(u.owner)::text AS owner,
       coalesce(pg_get_userbyid(x.grantor), '')::text AS grantor,
       CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE coalesce(pg_get_userbyid(x.grantee), '') END::text AS grantee,
       coalesce(x.privilege_type, '')::text AS privilege,
       coalesce(x.is_grantable, false) AS grantable
  FROM unusual AS u
  LEFT JOIN LATERAL aclexplode(u.acl) AS x ON true
 ORDER BY 1, 2, 3, 4, 7, 8
