-- What each materialised view is made from, through plain views and other materialised views too. Partitions and their
-- parents stand for each other: a view may read one and the comparison another.
WITH RECURSIVE direct AS (
    SELECT w.ev_class AS reader, d.refobjid AS read
      FROM pg_rewrite AS w
      JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                         AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
     UNION
    SELECT i.inhparent, i.inhrelid FROM pg_inherits AS i
     UNION
    SELECT i.inhrelid, i.inhparent FROM pg_inherits AS i
), reads (view, read) AS (
    SELECT d.reader, d.read FROM direct AS d JOIN pg_class AS c ON c.oid = d.reader AND c.relkind = 'm'
     UNION
    SELECT r.view, d.read FROM reads AS r JOIN direct AS d ON d.reader = r.read
)
SELECT vn.nspname::text, v.relname::text, n.nspname::text, c.relname::text
  FROM reads AS r
  JOIN pg_class AS v ON v.oid = r.view
  JOIN pg_namespace AS vn ON vn.oid = v.relnamespace
  JOIN pg_class AS c ON c.oid = r.read AND c.relkind IN ('r', 'p', 'm')
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
