-- Sessions whose open transaction was let in by the run's record: a dead runner's, when we hold the lock. The master's,
-- too; not those that we may not end.
SELECT DISTINCT l.pid
  FROM pg_locks AS l
  JOIN pg_stat_activity AS a ON a.pid = l.pid
  JOIN pg_roles AS r ON r.oid = a.usesysid
  JOIN pg_roles AS me ON me.rolname = current_user
 WHERE l.locktype = 'relation' AND l.granted AND l.relation = to_regclass('pgcutover.run')
   AND l.database = a.datid AND a.datname = current_database()
   AND {may_end}
   AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
   AND l.pid <> pg_backend_pid()
