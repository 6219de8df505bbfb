-- Who may do what with every object, as aclexplode gives it, whether granted or usual; an object that nobody may use but
-- its owner has one row with an empty privilege. `owner` is '(owner)' for the database's.
WITH held (kind, schema, name, "column", identity, owner, acl, usual) AS (
    SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END,
           n.nspname, c.relname, '', format('%I.%I', n.nspname, c.relname), c.relowner, c.relacl,
           acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'column', n.nspname, c.relname, a.attname, format('%I.%I.%I', n.nspname, c.relname, a.attname),
           c.relowner, a.attacl, acldefault('c', c.relowner)
      FROM pg_attribute AS a
      JOIN pg_class AS c ON c.oid = a.attrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'schema', n.nspname, n.nspname, '', quote_ident(n.nspname), n.nspowner, n.nspacl, acldefault('n', n.nspowner)
      FROM pg_namespace AS n
     WHERE n.oid IN ({schemas})
     UNION ALL
    SELECT 'function', n.nspname, p.proname, '', p.oid::regprocedure::text, p.proowner, p.proacl,
           acldefault('f', p.proowner)
      FROM pg_proc AS p
      JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE p.pronamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
     UNION ALL
    SELECT 'type', n.nspname, t.typname, '', format('%I.%I', n.nspname, t.typname), t.typowner, t.typacl,
           acldefault('T', t.typowner)
      FROM pg_type AS t
      JOIN pg_namespace AS n ON n.oid = t.typnamespace
     WHERE t.typnamespace IN ({schemas}) AND t.typtype IN ('b', 'c', 'd', 'e', 'r')
       AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
       AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
     UNION ALL
    SELECT 'language', '', l.lanname, '', quote_ident(l.lanname), l.lanowner, l.lanacl, acldefault('l', l.lanowner)
      FROM pg_language AS l
     WHERE l.lanpltrusted
     UNION ALL
    SELECT 'foreign-data wrapper', '', w.fdwname, '', quote_ident(w.fdwname), w.fdwowner, w.fdwacl,
           acldefault('F', w.fdwowner)
      FROM pg_foreign_data_wrapper AS w
     UNION ALL
    SELECT 'server', '', v.srvname, '', quote_ident(v.srvname), v.srvowner, v.srvacl, acldefault('S', v.srvowner)
      FROM pg_foreign_server AS v
     UNION ALL
    SELECT 'large object', '', m.oid::text, '', m.oid::text, m.lomowner, m.lomacl, acldefault('L', m.lomowner)
      FROM pg_largeobject_metadata AS m
     WHERE m.lomacl IS NOT NULL
     UNION ALL
    SELECT 'database', '', b.datname, '', 'database', b.datdba, b.datacl, acldefault('d', b.datdba)
      FROM pg_database AS b
     WHERE b.datname = current_database()
     UNION ALL
    SELECT 'default', coalesce(n.nspname, ''),
           CASE f.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END, '',
           concat_ws(' ', CASE f.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
                     'IN SCHEMA ' || quote_ident(n.nspname)),
           f.defaclrole, f.defaclacl, acldefault('c', f.defaclrole)
      FROM pg_default_acl AS f
      LEFT JOIN pg_namespace AS n ON n.oid = f.defaclnamespace
     WHERE f.defaclnamespace = 0 OR f.defaclnamespace IN ({schemas})
)
SELECT h.kind::text,
       h.schema::text,
       h.name::text,
       h.column::text,
       h.identity::text,
       CASE WHEN h.owner = b.datdba THEN '(owner)' ELSE pg_get_userbyid(h.owner) END::text,
       CASE WHEN x.grantee = 0 THEN 'PUBLIC' WHEN x.grantee = b.datdba THEN '(owner)'
            WHEN x.grantee IS NOT NULL THEN pg_get_userbyid(x.grantee) ELSE '' END::text,
       coalesce(x.privilege_type, '')::text,
       coalesce(x.is_grantable AND x.grantee <> h.owner, false),
       -- What an owner has by itself, to tell what was taken from it.
       ARRAY(SELECT u.privilege_type FROM aclexplode(h.usual) AS u WHERE u.grantee = h.owner AND h.kind <> 'default')
  FROM held AS h
  JOIN pg_database AS b ON b.datname = current_database()
  LEFT JOIN LATERAL aclexplode(coalesce(h.acl, h.usual)) AS x ON true
