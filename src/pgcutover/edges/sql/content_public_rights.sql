-- What PUBLIC may do with the database.
SELECT coalesce(string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type), 'none')
  FROM pg_database AS d
 CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS x
 WHERE d.datname = current_database() AND x.grantee = 0
