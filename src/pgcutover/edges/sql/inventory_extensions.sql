-- Installed extensions, plpgsql too, each with the first few things outside it that use what it brought.
WITH members AS (
    SELECT refobjid AS extension, classid, objid
      FROM pg_depend
     WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
), users AS (
    SELECT DISTINCT m.extension, pg_describe_object(d.classid, d.objid, d.objsubid) AS name
      FROM members AS m
      JOIN pg_depend AS d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype IN ('n', 'a')
     WHERE d.classid NOT IN ('pg_extension'::regclass, 'pg_amop'::regclass, 'pg_amproc'::regclass)
       AND NOT EXISTS (SELECT FROM members AS o WHERE o.classid = d.classid AND o.objid = d.objid)
       -- Arrays, row types and defaults go with what is named anyway.
       AND NOT EXISTS (SELECT FROM pg_depend AS i
                        WHERE i.classid = d.classid AND i.objid = d.objid AND i.deptype = 'i'
                          AND i.refclassid <> 'pg_rewrite'::regclass AND d.classid = 'pg_type'::regclass)
)
SELECT e.extname::text, e.extversion, n.nspname::text,
       ARRAY(SELECT u.name FROM users AS u WHERE u.extension = e.oid ORDER BY 1 LIMIT 5)
  FROM pg_extension AS e
  JOIN pg_namespace AS n ON n.oid = e.extnamespace
 ORDER BY e.extname
