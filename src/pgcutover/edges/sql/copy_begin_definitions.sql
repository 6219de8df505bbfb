-- Says whose objects will be in this database, before the first is made. It holds none, so no chunk arrived in it: what
-- markers say was true of tables that somebody has dropped. Large objects are in no schema: they may be there.
WITH chunks AS (
    DELETE FROM pgcutover.chunk WHERE run_id = %(run)s AND chunk NOT LIKE 'large objects %%'
), cuts AS (
    DELETE FROM pgcutover.cut WHERE run_id = %(run)s
)
INSERT INTO pgcutover.definitions (run_id, fingerprint)
VALUES (%(run)s, %(fingerprint)s)
ON CONFLICT ON CONSTRAINT definitions_made_once DO UPDATE SET fingerprint = excluded.fingerprint
