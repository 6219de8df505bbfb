-- Rights to write or to make tables that are not ours to take, for their owner is no role of ours; superusers' left out.
-- (Tables and sequences of others are told by the attempt itself.)
WITH others AS (
    SELECT 'schema ' || n.nspname AS what, n.nspowner AS owner, coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl,
           'CREATE' AS privilege
      FROM pg_namespace AS n
     WHERE n.oid IN ({schemas})
     UNION ALL
    SELECT 'database ' || b.datname, b.datdba, coalesce(b.datacl, acldefault('d', b.datdba)), 'CREATE'
      FROM pg_database AS b
     WHERE b.datname = current_database()
     UNION ALL
    SELECT 'large object ' || m.oid, m.lomowner, coalesce(m.lomacl, acldefault('L', m.lomowner)), 'UPDATE'
      FROM pg_largeobject_metadata AS m
)
SELECT o.what::text, pg_get_userbyid(o.owner)::text, coalesce(r.rolname, 'PUBLIC')::text, o.privilege
  FROM others AS o
 CROSS JOIN LATERAL aclexplode(o.acl) AS x
  LEFT JOIN pg_roles AS r ON r.oid = x.grantee
 WHERE NOT pg_has_role(o.owner, 'USAGE')
   AND x.privilege_type = o.privilege
   AND (x.grantee = 0 OR NOT r.rolsuper)
 ORDER BY 1, 3
