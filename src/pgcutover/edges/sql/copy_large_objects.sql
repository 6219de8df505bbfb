-- The large objects of this database, smallest number first.
SELECT m.oid::bigint FROM pg_catalog.pg_largeobject_metadata AS m ORDER BY 1
