-- The database itself. Columns that came with later versions (15: datlocprovider, daticulocale; 17: datlocale) are read
-- through to_jsonb, so that one statement serves every version.
SELECT current_setting('server_version_num')::integer,
       d.datname::text,
       pg_get_userbyid(d.datdba)::text,
       pg_encoding_to_char(d.encoding)::text,
       d.datcollate::text,
       d.datctype::text,
       CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', ''),
       (SELECT s.system_identifier::text FROM pg_control_system() AS s),
       pg_database_size(d.oid),
       current_setting('max_connections')::integer,
       d.datconnlimit,
       (SELECT p.reset_val FROM pg_settings AS p WHERE p.name = 'search_path')
  FROM pg_database AS d
 WHERE d.datname = current_database()
