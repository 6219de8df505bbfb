-- A later piece of one large object; empty behind its end.
SELECT sha256(b.content), octet_length(b.content)
  FROM (SELECT lo_get({oid}, {offset}, {piece}) AS content OFFSET 0) AS b
