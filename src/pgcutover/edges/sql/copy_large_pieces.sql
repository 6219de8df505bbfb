-- The beginnings of some large objects, with their comments.
SELECT o.oid::bigint, pg_catalog.lo_get(o.oid, 0, %(piece)s), pg_catalog.obj_description(o.oid, 'pg_largeobject')
  FROM pg_catalog.unnest(%(oids)s::oid[]) AS o (oid)
