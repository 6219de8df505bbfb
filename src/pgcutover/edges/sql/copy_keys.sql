-- Foreign keys as they are declared, and whether they can be made first and checked later: not where a partitioned table
-- is on either side (traps.md T18), nor where they are not checked on the source either.
SELECT 'pg_catalog.pg_constraint'::regclass::oid::bigint, k.oid::bigint,
       tn.nspname::text, t.relname::text, rn.nspname::text, r.relname::text,
       t.relkind = 'r' AND r.relkind = 'r' AND k.convalidated,
       pg_catalog.format('ALTER TABLE ONLY %I.%I VALIDATE CONSTRAINT %I', tn.nspname, t.relname, k.conname),
       -- Whether an index holds all rows of its columns in their order.
       EXISTS (SELECT FROM pg_catalog.pg_index AS i
                 JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
                 JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
                WHERE i.indrelid = k.conrelid AND m.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL
                  AND i.indnkeyatts >= pg_catalog.array_length(k.conkey, 1)
                  -- int2vector counts from 0.
                  AND i.indkey[0:pg_catalog.array_length(k.conkey, 1) - 1]::int2[] @> k.conkey)
  FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid
  JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
  JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid
  JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0
