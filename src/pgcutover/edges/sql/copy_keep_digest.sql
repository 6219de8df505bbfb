-- Keeps a table's digests; those of an earlier try give way.
INSERT INTO pgcutover.digest (run_id, chunk, evidence)
VALUES (%(run)s, %(chunk)s, %(evidence)s)
ON CONFLICT ON CONSTRAINT digest_kept_once
DO UPDATE SET evidence = excluded.evidence, taken_at = excluded.taken_at
