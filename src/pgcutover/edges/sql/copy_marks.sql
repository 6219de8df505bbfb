-- Chunks of a run that arrived.
SELECT chunk, rows, bytes, seconds, storage
  FROM pgcutover.chunk
 WHERE run_id = %(run)s
