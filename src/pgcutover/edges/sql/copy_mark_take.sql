-- Takes chunks' markers; those that come back were not taken yet. Waits for another transaction that is taking one.
INSERT INTO pgcutover.chunk (run_id, chunk, epoch, storage)
SELECT $1, u.chunk, $3, u.storage
  FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($4::text[])) AS u (chunk, storage)
 ORDER BY u.chunk
ON CONFLICT ON CONSTRAINT chunk_arrives_once DO NOTHING
RETURNING chunk
