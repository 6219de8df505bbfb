-- What an extension's default version asks for: the schema it insists on ('' for none), and those it requires.
SELECT coalesce(v.schema::text, ''), coalesce(v.requires::text[], '{}')
FROM pg_catalog.pg_available_extensions AS a
JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = a.name AND v.version = a.default_version
WHERE a.name = %(name)s
