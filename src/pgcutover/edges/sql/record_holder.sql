-- Who holds the lock of this database's move, and since when, with what the record says about them.
SELECT l.pid,
       coalesce(host(a.client_addr), '')::text,
       a.backend_start
  FROM pg_locks AS l
  LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT b.oid FROM pg_database AS b WHERE b.datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('pgcutover', 0)
