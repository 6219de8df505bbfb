-- Which server this is and on which timeline: a failover changes the second, another server the first (traps.md T9).
SELECT s.system_identifier::text,
       CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END
  FROM pg_control_system() AS s
