-- Takes the marker of a batch of large objects; no row comes back when it is taken already.
INSERT INTO pgcutover.chunk (run_id, chunk, epoch, storage)
SELECT %(run)s, %(chunk)s, r.epoch, %(storage)s FROM pgcutover.run AS r WHERE r.run_id = %(run)s
ON CONFLICT ON CONSTRAINT chunk_arrives_once DO NOTHING
RETURNING chunk
