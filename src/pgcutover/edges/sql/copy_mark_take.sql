-- Takes a chunk's marker; no row comes back when it is taken already. Waits for another transaction that is taking it.
INSERT INTO pgcutover.chunk (run_id, chunk, epoch, storage)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT chunk_arrives_once DO NOTHING
RETURNING chunk
