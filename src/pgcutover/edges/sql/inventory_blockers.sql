-- What this version cannot move, cannot read, or could not fence: one row each, as (kind, name).
WITH shown AS (
    SELECT c.oid, c.relkind, c.relowner, c.relnamespace, c.relacl, format('%s.%s', n.nspname, c.relname) AS name
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f', 'S', 'm') AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT CASE WHEN count(*) > 20000 THEN 'many_large_objects' ELSE 'large_objects' END, count(*)::text
  FROM pg_largeobject_metadata HAVING count(*) > 0
 UNION ALL
SELECT 'unreadable', format('large object %s', l.oid)
  FROM pg_largeobject_metadata AS l
 WHERE NOT pg_has_role(l.lomowner, 'USAGE')
   AND NOT EXISTS (SELECT FROM aclexplode(l.lomacl) AS x
                    WHERE x.privilege_type = 'SELECT'
                      AND (x.grantee = 0 OR x.grantee IN (SELECT g.oid FROM pg_roles AS g WHERE pg_has_role(g.oid, 'USAGE'))))
 UNION ALL
SELECT u.kind, u.name FROM ({uncarried}) AS u
 UNION ALL
SELECT 'hidden_rows', s.name FROM shown AS s WHERE s.relkind IN ('r', 'p') AND row_security_active(s.oid)
 UNION ALL
SELECT 'not_ours', s.name FROM shown AS s WHERE s.relkind IN ('r', 'p', 'S') AND NOT pg_has_role(s.relowner, 'USAGE')
 UNION ALL
SELECT DISTINCT 'not_ours', format('large object %s', l.oid)
  FROM pg_largeobject_metadata AS l
 CROSS JOIN LATERAL aclexplode(coalesce(l.lomacl, acldefault('L', l.lomowner))) AS x
  LEFT JOIN pg_roles AS r ON r.oid = x.grantee
 WHERE NOT pg_has_role(l.lomowner, 'USAGE') AND x.privilege_type = 'UPDATE' AND (x.grantee = 0 OR NOT r.rolsuper)
 UNION ALL
SELECT 'unreadable', s.name
  FROM shown AS s
 WHERE s.relkind <> 'f'
   AND NOT (has_schema_privilege(s.relnamespace, 'USAGE')
            AND CASE WHEN s.relkind = 'S' THEN has_sequence_privilege(s.oid, 'SELECT')
                     ELSE has_table_privilege(s.oid, 'SELECT') END)
 UNION ALL
SELECT w.kind, w.name FROM ({owners}) AS w
 UNION ALL
SELECT m.kind, m.name FROM ({rights}) AS m
 UNION ALL
SELECT 'foreign_tables', s.name FROM shown AS s WHERE s.relkind = 'f'
 UNION ALL
SELECT 'materialised_views', s.name FROM shown AS s JOIN pg_class AS c ON c.oid = s.oid WHERE s.relkind = 'm' AND c.relispopulated
 UNION ALL
SELECT 'user_mappings', format('%s on %s', m.role, m.server) FROM ({mappings}) AS m WHERE m.names IS NULL
 UNION ALL
SELECT 'bypassing_roles', y.rolname FROM ({bypassing}) AS y
 UNION ALL
SELECT 'publications', p.pubname FROM pg_publication AS p
 UNION ALL
SELECT 'subscriptions', s.subname
  FROM pg_subscription AS s
  JOIN pg_database AS b ON b.oid = s.subdbid
 WHERE b.datname = current_database()
 UNION ALL
SELECT 'invalid_indexes', format('%s.%s', n.nspname, c.relname)
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND c.relkind = 'i' AND i.indrelid IN (SELECT s.oid FROM shown AS s)
 UNION ALL
SELECT DISTINCT CASE WHEN x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'USAGE')
                     THEN 'write_grant_chains' ELSE 'grant_chains' END,
       format('%s: %s by %s', s.name, x.privilege_type, pg_get_userbyid(x.grantor))
  FROM shown AS s
 CROSS JOIN LATERAL (SELECT * FROM aclexplode(s.relacl)
                      UNION ALL
                     SELECT e.* FROM pg_attribute AS a, aclexplode(a.attacl) AS e WHERE a.attrelid = s.oid) AS x
 WHERE x.grantor <> s.relowner
 UNION ALL
SELECT 'write_grant_chains', format('schema %s: CREATE by %s', n.nspname, pg_get_userbyid(x.grantor))
  FROM pg_namespace AS n, aclexplode(n.nspacl) AS x
 WHERE n.oid IN ({schemas}) AND x.privilege_type = 'CREATE' AND x.grantor <> n.nspowner
 UNION ALL
SELECT 'open_schemas', n.nspname
  FROM pg_namespace AS n
 WHERE n.oid IN ({schemas})
   AND NOT pg_has_role(n.nspowner, 'USAGE')
   AND EXISTS (SELECT
                 FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS x
                 LEFT JOIN pg_roles AS r ON r.oid = x.grantee
                WHERE x.privilege_type = 'CREATE' AND x.grantee <> n.nspowner AND NOT coalesce(r.rolsuper, false))
 UNION ALL
SELECT 'prepared_transactions', p.gid FROM pg_prepared_xacts AS p WHERE p.database = current_database()
 UNION ALL
SELECT 'event_triggers', e.evtname
  FROM pg_event_trigger AS e
  JOIN pg_proc AS p ON p.oid = e.evtfoid
 WHERE p.pronamespace IN ({schemas})
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
 ORDER BY 1, 2
