-- Note that the gate is closed, and what the default was before.
INSERT INTO pgcutover.gate (setting_before, closed_at)
VALUES (%(setting)s, clock_timestamp())
    ON CONFLICT (single) DO UPDATE SET setting_before = excluded.setting_before, closed_at = excluded.closed_at
