-- What a new database must have to be like this one. Columns that came with later versions (15: datlocprovider,
-- daticulocale; 16: daticurules; 17: datlocale) are read through to_jsonb, so that one statement serves every version.
SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text,
       d.datcollate::text,
       d.datctype::text,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', ''),
       coalesce(to_jsonb(d) ->> 'daticurules', ''),
       (SELECT t.spcname::text FROM pg_catalog.pg_tablespace AS t WHERE t.oid = d.dattablespace),
       (SELECT r.rolcreatedb OR r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user),
       ARRAY(SELECT setting
               FROM pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS setting
              WHERE s.setdatabase = d.oid AND s.setrole = 0)
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = pg_catalog.current_database()
