-- Writes what arrived into the marker that this transaction took.
UPDATE pgcutover.chunk
SET rows = $3, bytes = $4, seconds = $5, committed_at = pg_catalog.clock_timestamp()
WHERE run_id = $1 AND chunk = $2
RETURNING chunk
