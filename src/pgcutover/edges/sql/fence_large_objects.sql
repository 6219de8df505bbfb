-- Of these large objects, those that are still there.
SELECT m.oid::text FROM pg_catalog.pg_largeobject_metadata AS m WHERE m.oid = ANY (%(oids)s::oid[])
