-- Sessions of our role whose open transaction was let in by the run's record: a dead runner's, when we hold the lock.
SELECT DISTINCT l.pid
  FROM pg_locks AS l
  JOIN pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.relation = to_regclass('pgcutover.run')
   AND l.database = a.datid AND a.datname = current_database() AND a.usename = current_user
   AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
   AND l.pid <> pg_backend_pid()
