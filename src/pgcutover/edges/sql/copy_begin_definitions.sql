-- Says whose objects will be in this database, before the first is made.
INSERT INTO pgcutover.definitions (run_id, fingerprint)
VALUES (%(run)s, %(fingerprint)s)
ON CONFLICT ON CONSTRAINT definitions_made_once DO NOTHING
