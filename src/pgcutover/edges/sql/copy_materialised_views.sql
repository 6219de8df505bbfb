-- Materialised views that hold rows, those first that others are made from, each with its depth.
WITH RECURSIVE views AS (
    SELECT c.oid, n.nspname, c.relname, c.relispopulated
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind = 'm' AND n.nspname NOT IN ('_heroku', 'pgcutover')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), reads AS (
    SELECT DISTINCT w.ev_class AS reader, d.refobjid AS read
      FROM pg_catalog.pg_rewrite AS w
      JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                                    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> w.ev_class
      JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relkind IN ('v', 'm')
), depths (oid, depth) AS (
    SELECT oid, 0 FROM views
     UNION
    -- Through plain views as well.
    SELECT r.reader, p.depth + 1
      FROM depths AS p
      JOIN reads AS r ON r.read = p.oid
)
SELECT v.nspname::text, v.relname::text
  FROM views AS v
  JOIN depths AS p ON p.oid = v.oid
 WHERE v.relispopulated
 GROUP BY v.nspname, v.relname
 ORDER BY max(p.depth), v.nspname, v.relname
