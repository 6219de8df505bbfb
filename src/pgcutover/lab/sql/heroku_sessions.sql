-- How many sessions each role has in this server, the superuser's own left out.

SELECT usename, count(*) AS sessions
  FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND usename <> %(superuser)s
 GROUP BY usename
