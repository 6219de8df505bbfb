-- Whether role `me` may end sessions of role `r`.
-- https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
CASE WHEN r.rolsuper THEN me.rolsuper
     ELSE pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') END
