-- Note that the gate is open, and say what the default was before it was closed.
UPDATE pgcutover.gate SET opened_at = clock_timestamp() RETURNING setting_before
