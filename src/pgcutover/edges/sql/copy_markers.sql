-- The evidence that a chunk arrived: one row per chunk, committed in the transaction that brought its rows.
CREATE SCHEMA IF NOT EXISTS pgcutover;
CREATE TABLE IF NOT EXISTS pgcutover.chunk (
    run_id text NOT NULL,
    chunk text NOT NULL,
    epoch bigint NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    seconds double precision NOT NULL DEFAULT 0,
    storage text NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT chunk_arrives_once PRIMARY KEY (run_id, chunk)
);
-- Tables that are copied in parts: the first page of each.
CREATE TABLE IF NOT EXISTS pgcutover.cut (
    run_id text NOT NULL,
    name text NOT NULL,
    first_pages bigint[] NOT NULL,
    CONSTRAINT cut_once PRIMARY KEY (run_id, name)
);
-- Whose objects these are: written before the first of them is made.
CREATE TABLE IF NOT EXISTS pgcutover.definitions (
    run_id text NOT NULL,
    fingerprint text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT definitions_made_once PRIMARY KEY (run_id)
);
