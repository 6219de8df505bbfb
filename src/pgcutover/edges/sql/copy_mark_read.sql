-- What chunks' markers say.
SELECT chunk, rows, bytes, seconds, storage
  FROM pgcutover.chunk
 WHERE run_id = $1 AND chunk = ANY ($2::text[])
