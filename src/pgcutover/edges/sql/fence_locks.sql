-- Tables on which a holder of ours has an EXCLUSIVE lock at this moment.
SELECT n.nspname::text, c.relname::text
  FROM pg_locks AS l
  JOIN pg_class AS c ON c.oid = l.relation
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'ExclusiveLock'
   AND l.database = (SELECT b.oid FROM pg_database AS b WHERE b.datname = current_database())
   AND a.usename = current_user AND a.application_name = %(holder)s
