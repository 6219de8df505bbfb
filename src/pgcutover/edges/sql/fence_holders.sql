-- Sessions that hold a fence's locks for us; when we hold none, they are a dead runner's.
SELECT a.pid
  FROM pg_stat_activity AS a
 WHERE a.datname = current_database() AND a.usename = current_user AND a.application_name = %(holder)s
   AND a.pid <> ALL (%(known)s)
