-- Note what was taken and how to give it back: all of it, what was noted before included.
INSERT INTO pgcutover.fence (recorded, undo_sql) VALUES (%s, %s)
    ON CONFLICT (single) DO UPDATE SET recorded = excluded.recorded, undo_sql = excluded.undo_sql
