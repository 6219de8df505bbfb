-- How many more sessions this role may open here: by the server's limit, the database's and its own, less those that
-- others have. https://www.postgresql.org/docs/current/runtime-config-connection.html
WITH sessions AS (
    SELECT datid, usesysid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'
), limits (most, taken) AS (
    SELECT pg_catalog.current_setting('max_connections')::int
           - pg_catalog.current_setting('superuser_reserved_connections')::int
           - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0),
           (SELECT pg_catalog.count(*) FROM sessions)
     UNION ALL
    SELECT rolconnlimit, (SELECT pg_catalog.count(*) FROM sessions AS s WHERE s.usesysid = r.oid)
      FROM pg_catalog.pg_roles AS r
     WHERE rolname = current_user AND rolconnlimit >= 0
     UNION ALL
    SELECT datconnlimit, (SELECT pg_catalog.count(*) FROM sessions AS s WHERE s.datid = d.oid)
      FROM pg_catalog.pg_database AS d
     WHERE datname = pg_catalog.current_database() AND datconnlimit >= 0
)
SELECT pg_catalog.min(most - taken)::int FROM limits
