-- One database as the cluster's catalogues describe it.
SELECT d.datname::text,
       pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
       pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
       coalesce(d.datcollate, '')::text AS collate,
       coalesce(d.datctype, '')::text AS ctype,
       coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '') AS mark,
       coalesce((
           SELECT pg_catalog.substring(setting, 'search_path=(.*)')
           FROM pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS setting
           WHERE s.setdatabase = d.oid AND s.setrole = 0 AND setting LIKE 'search\_path=%%'
       ), '') AS search_path
FROM pg_catalog.pg_database AS d
WHERE d.datname = %(name)s
