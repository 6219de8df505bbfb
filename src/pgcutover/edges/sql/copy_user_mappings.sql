-- User mappings with the options that this role may see: its own, those of everyone on its servers. The view hides the
-- others' whole; a mapping without options looks the same, so only a mapping that must be visible counts as empty.
-- https://www.postgresql.org/docs/current/view-pg-user-mappings.html
SELECT m.srvname::text AS server,
       CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE m.usename::text END AS role,
       CASE WHEN v.shown THEN ARRAY(SELECT o.option_name FROM pg_catalog.pg_options_to_table(m.umoptions) AS o
                                     ORDER BY o.option_name) END AS names,
       CASE WHEN v.shown THEN ARRAY(SELECT o.option_value FROM pg_catalog.pg_options_to_table(m.umoptions) AS o
                                     ORDER BY o.option_name) END AS "values"
  FROM pg_catalog.pg_user_mappings AS m
  JOIN pg_catalog.pg_foreign_server AS s ON s.oid = m.srvid
 CROSS JOIN LATERAL (
     SELECT m.umoptions IS NOT NULL
            OR (m.umuser = 0 AND pg_catalog.pg_has_role(s.srvowner, 'USAGE'))
            OR (m.usename = current_user
                AND (pg_catalog.pg_has_role(s.srvowner, 'USAGE') OR pg_catalog.has_server_privilege(s.oid, 'USAGE'))) AS shown) AS v
 ORDER BY 1, 2
