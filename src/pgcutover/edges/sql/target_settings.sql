-- Parameters as they are in force, in their own units, and whether a new value waits for a restart.
SELECT name, setting, pending_restart FROM pg_catalog.pg_settings WHERE name = ANY (%(names)s) OR pending_restart
