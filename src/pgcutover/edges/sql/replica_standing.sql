-- Whether this server follows another, and how many bytes of the WAL written there (%(written)s) it has not replayed.
SELECT pg_catalog.pg_is_in_recovery(),
       greatest(
           0, coalesce(pg_catalog.pg_wal_lsn_diff(%(written)s::pg_catalog.pg_lsn, pg_catalog.pg_last_wal_replay_lsn()), 0)
       )::bigint
