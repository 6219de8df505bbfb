-- Ours on both databases: which run holds the move (and its epoch, which only grows), the fence, and the gate.
CREATE TABLE IF NOT EXISTS pgcutover.run (
    run_id text PRIMARY KEY,
    epoch bigint NOT NULL,
    holder text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- One row from before the fence's first touch until it is lowered: what to put back, also as SQL for a person with psql.
CREATE TABLE IF NOT EXISTS pgcutover.fence (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    recorded jsonb NOT NULL,
    undo_sql text NOT NULL,
    raised_at timestamptz
);
-- One row on a target: when it was last closed to writes, from which setting, and when it was last opened.
CREATE TABLE IF NOT EXISTS pgcutover.gate (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    setting_before text,
    closed_at timestamptz,
    opened_at timestamptz
);
