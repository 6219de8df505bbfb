-- The journal's one table: every row hashes the row before it, and may be added but never changed or taken away.
BEGIN IMMEDIATE;

CREATE TABLE entry (
  seq      INTEGER PRIMARY KEY,
  at       TEXT    NOT NULL,
  run      TEXT    NOT NULL,
  kind     TEXT    NOT NULL CHECK (kind IN ('run opened', 'run closed', 'event', 'note')),
  step     TEXT    CHECK ((step IS NOT NULL) = (kind = 'event')),
  body     TEXT    NOT NULL,
  host     TEXT    NOT NULL,
  pid      INTEGER NOT NULL,
  previous TEXT    NOT NULL,
  hash     TEXT    NOT NULL
);

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only: an entry is never changed');
END;

CREATE TRIGGER entry_is_never_taken_away BEFORE DELETE ON entry
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only: an entry is never taken away');
END;

-- Also stops INSERT OR REPLACE, which fires no DELETE trigger (https://www.sqlite.org/lang_conflict.html).
CREATE TRIGGER entry_goes_on_from_the_last BEFORE INSERT ON entry
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entry)
  OR NEW.previous IS NOT coalesce((SELECT hash FROM entry ORDER BY seq DESC LIMIT 1), NEW.previous)
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only: an entry goes on from the last one');
END;

-- "pgcu" and the version of this schema (https://www.sqlite.org/pragma.html#pragma_application_id).
PRAGMA application_id = 1885823861;
PRAGMA user_version = 1;

COMMIT;
