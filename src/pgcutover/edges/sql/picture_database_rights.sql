-- Who holds which privilege on the database itself, spelt out where nobody ever changed it.
SELECT coalesce(r.rolname, 'PUBLIC')::text,
       string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', ' ORDER BY x.privilege_type)
  FROM pg_database AS b
 CROSS JOIN LATERAL aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) AS x
  LEFT JOIN pg_roles AS r ON r.oid = x.grantee
 WHERE b.datname = current_database()
 GROUP BY 1
 ORDER BY 1
