-- What no step can make on a server without superusers, or what arrives otherwise than it was, as (kind, name).
WITH members AS (
    SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
), unusual (class, oid) AS (
    SELECT 'pg_opclass'::regclass::oid, o.oid FROM pg_opclass AS o WHERE o.opcnamespace IN ({schemas})
     UNION ALL
    -- A family of its class's name comes and goes with that.
    SELECT 'pg_opfamily'::regclass, o.oid
      FROM pg_opfamily AS o
     WHERE o.opfnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_opclass AS c WHERE c.opcfamily = o.oid AND c.opcname = o.opfname)
     UNION ALL
    SELECT 'pg_type'::regclass, t.oid
      FROM pg_type AS t
     WHERE t.typtype = 'b' AND t.typnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
     UNION ALL
    SELECT 'pg_ts_parser'::regclass, p.oid FROM pg_ts_parser AS p WHERE p.prsnamespace IN ({schemas})
     UNION ALL
    SELECT 'pg_ts_template'::regclass, t.oid FROM pg_ts_template AS t WHERE t.tmplnamespace IN ({schemas})
     UNION ALL
    -- Whoever makes a cast owns one of its types; without a function it also takes a superuser.
    -- https://www.postgresql.org/docs/current/sql-createcast.html
    SELECT 'pg_cast'::regclass, k.oid
      FROM pg_cast AS k
     WHERE k.oid >= 16384
       AND (k.castmethod = 'b'
            OR NOT EXISTS (SELECT FROM pg_type AS t
                            WHERE t.oid IN (k.castsource, k.casttarget) AND t.typnamespace IN ({schemas})))
     UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, w.oid FROM pg_foreign_data_wrapper AS w
     UNION ALL
    SELECT 'pg_am'::regclass, m.oid FROM pg_am AS m WHERE m.oid >= 16384
     UNION ALL
    SELECT 'pg_language'::regclass, l.oid FROM pg_language AS l WHERE l.oid >= 16384
     UNION ALL
    SELECT 'pg_proc'::regclass, p.oid
      FROM pg_proc AS p
      JOIN pg_language AS l ON l.oid = p.prolang
     WHERE l.lanname IN ('c', 'internal') AND p.pronamespace IN ({schemas})
       -- The server makes these itself, for a range type.
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
       AND p.prokind <> 'a'
)
SELECT 'superuser_only' AS kind,
       concat(i.type, ' ', i.identity,
              (SELECT ' (used by ' || string_agg(u.name, ', ' ORDER BY u.name) || ')'
                 FROM (SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) AS name
                         FROM pg_depend AS d
                        WHERE d.refclassid = x.class AND d.refobjid = x.oid AND d.deptype IN ('n', 'a')
                          AND (d.classid, d.objid) NOT IN (SELECT class, oid FROM unusual)
                        ORDER BY 1
                        LIMIT 5) AS u)) AS name
  FROM unusual AS x
 CROSS JOIN LATERAL pg_identify_object(x.class, x.oid, 0) AS i
 WHERE NOT EXISTS (SELECT FROM members AS m WHERE m.classid = x.class AND m.objid = x.oid)
 UNION ALL
SELECT 'untrusted_languages', format('%s (%s)', p.oid::regprocedure, l.lanname)
  FROM pg_proc AS p
  JOIN pg_language AS l ON l.oid = p.prolang
 WHERE NOT l.lanpltrusted AND l.lanname NOT IN ('c', 'internal') AND p.pronamespace IN ({schemas})
   AND NOT EXISTS (SELECT FROM members AS m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
 UNION ALL
SELECT 'security_labels', format('%s on %s', l.provider, pg_describe_object(l.classoid, l.objoid, l.objsubid))
  FROM pg_seclabel AS l
 UNION ALL
SELECT 'tablespaces', format('%s in %s', c.oid::regclass, s.spcname)
  FROM pg_class AS c
  JOIN pg_tablespace AS s ON s.oid = c.reltablespace
 WHERE c.relnamespace IN ({schemas})
 UNION ALL
SELECT DISTINCT 'extension_grants', pg_describe_object(g.class, g.oid, 0)
  FROM (SELECT 'pg_proc'::regclass::oid AS class, oid, proacl AS acl, acldefault('f', proowner) AS usual FROM pg_proc
         UNION ALL
        SELECT 'pg_class'::regclass, oid, relacl, acldefault('r', relowner) FROM pg_class WHERE relkind IN ('r', 'v', 'm')
         UNION ALL
        SELECT 'pg_language'::regclass, oid, lanacl, acldefault('l', lanowner) FROM pg_language) AS g
  JOIN members AS m ON m.classid = g.class AND m.objid = g.oid
  LEFT JOIN pg_init_privs AS i ON i.classoid = g.class AND i.objoid = g.oid AND i.objsubid = 0
 WHERE EXISTS (SELECT grantee, privilege_type FROM aclexplode(coalesce(g.acl, g.usual))
               EXCEPT SELECT grantee, privilege_type FROM aclexplode(coalesce(i.initprivs, g.usual)))
    OR EXISTS (SELECT grantee, privilege_type FROM aclexplode(coalesce(i.initprivs, g.usual))
               EXCEPT SELECT grantee, privilege_type FROM aclexplode(coalesce(g.acl, g.usual)))
 UNION ALL
SELECT 'owner_revoked', c.oid::regclass::text
  FROM pg_class AS c
 WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relnamespace IN ({schemas})
   AND EXISTS (SELECT x.privilege_type
                 FROM aclexplode(acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char", c.relowner)) AS x
               EXCEPT
               SELECT x.privilege_type FROM aclexplode(c.relacl) AS x WHERE x.grantee = c.relowner)
   AND NOT EXISTS (SELECT FROM members AS m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
 UNION ALL
-- A restored child has its first parent's columns first, in that one's order, then the next parent's, then its own.
SELECT DISTINCT 'column_order', c.oid::regclass::text
  FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_attribute AS b ON b.attrelid = c.oid AND b.attnum > a.attnum AND NOT b.attisdropped
 WHERE c.relkind IN ('r', 'f') AND NOT c.relispartition AND c.relnamespace IN ({schemas})
   AND a.attinhcount = 0 AND b.attinhcount > 0
