-- What a chunk's marker says.
SELECT rows, bytes, seconds, storage
FROM pgcutover.chunk
WHERE run_id = $1 AND chunk = $2
