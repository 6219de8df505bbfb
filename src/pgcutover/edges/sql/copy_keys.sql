-- Foreign keys as they are declared, and whether they can be made first and checked later: not where a partitioned table
-- is on either side (traps.md T18), nor where they are not checked on the source either.
SELECT 'pg_catalog.pg_constraint'::regclass::oid::bigint, k.oid::bigint,
       tn.nspname::text, t.relname::text, rn.nspname::text, r.relname::text,
       t.relkind = 'r' AND r.relkind = 'r' AND k.convalidated,
       pg_catalog.format('ALTER TABLE ONLY %I.%I VALIDATE CONSTRAINT %I', tn.nspname, t.relname, k.conname)
  FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid
  JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
  JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid
  JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0
