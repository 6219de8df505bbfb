-- Note what the rights were before the first time that they were taken.
INSERT INTO pgcutover.fence (recorded, undo_sql) VALUES (%s, %s) ON CONFLICT (single) DO NOTHING
