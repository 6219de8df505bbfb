-- Every large object with the digest and the size of its beginning.
SELECT m.oid::bigint, sha256(b.content), octet_length(b.content)
  FROM pg_largeobject_metadata AS m
 CROSS JOIN LATERAL (SELECT lo_get(m.oid, 0, {piece}) AS content OFFSET 0) AS b
 ORDER BY m.oid
