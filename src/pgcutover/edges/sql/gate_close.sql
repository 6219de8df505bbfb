-- Note that the gate is closed, and what the default was before; where it was closed already, that is known.
INSERT INTO pgcutover.gate AS g (setting_before, closed_at)
VALUES (%(setting)s, clock_timestamp())
    ON CONFLICT (single) DO UPDATE
       SET setting_before = CASE WHEN %(closed)s THEN g.setting_before ELSE excluded.setting_before END,
           closed_at = excluded.closed_at
