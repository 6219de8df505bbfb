-- What Heroku's own control plane would say of a database: one row, read as superuser in that database.

SELECT pg_database_size(current_database()) AS size_bytes,
       (SELECT count(*)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p')
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', '_heroku')) AS tables,
       (SELECT nullif(rolconnlimit, -1) FROM pg_catalog.pg_roles WHERE rolname = %(owner)s) AS connection_limit,
       split_part(current_setting('server_version'), ' ', 1) AS version,
       (SELECT jsonb_object_agg(name, setting)
          FROM pg_catalog.pg_settings
         WHERE name IN ('log_lock_waits', 'log_connections', 'log_min_duration_statement', 'log_statement',
                        'log_min_error_statement', 'track_functions')) AS settings,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest_xid,
       pg_is_in_recovery() AS in_recovery
