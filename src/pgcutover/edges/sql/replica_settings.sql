-- Parameters as other sessions get them: ours has turned the time-outs off for itself.
SELECT name::text, reset_val FROM pg_catalog.pg_settings WHERE name = ANY (%(names)s) ORDER BY name
