-- What the application's role does not restore: Heroku's event triggers, the user's (master's to make), publications of
-- every table (likewise), and policies that name the database's owner, who has another name on the target.
WITH in_schemas AS (
    SELECT d.classid AS class, d.objid AS oid, d.refobjid AS publication
      FROM pg_catalog.pg_depend AS d
     WHERE d.classid = pg_catalog.to_regclass('pg_catalog.pg_publication_namespace')
       AND d.refclassid = 'pg_catalog.pg_publication'::regclass
)
SELECT CASE WHEN n.nspname = '_heroku' THEN 'heroku' ELSE 'master' END AS way,
       'pg_catalog.pg_event_trigger'::regclass::oid::bigint,
       t.oid::bigint,
       '- EVENT TRIGGER "' || replace(t.evtname, '"', '""') || '"' AS remark
  FROM pg_catalog.pg_event_trigger AS t
  JOIN pg_catalog.pg_proc AS p ON p.oid = t.evtfoid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
 UNION ALL
SELECT 'master', 'pg_catalog.pg_publication'::regclass::oid::bigint, p.oid::bigint,
       '- PUBLICATION "' || replace(p.pubname, '"', '""') || '"'
  FROM pg_catalog.pg_publication AS p
 WHERE p.puballtables
 UNION ALL
-- Of whole schemas, which came with 15: found by what depends on what, so that one statement serves every version.
SELECT DISTINCT 'master', 'pg_catalog.pg_publication'::regclass::oid::bigint, p.oid::bigint,
       '- PUBLICATION "' || replace(p.pubname, '"', '""') || '"'
  FROM pg_catalog.pg_publication AS p
  JOIN in_schemas AS s ON s.publication = p.oid
 UNION ALL
SELECT 'master', s.class::bigint, s.oid::bigint, '' FROM in_schemas AS s
 UNION ALL
SELECT 'master', 'pg_catalog.pg_publication_rel'::regclass::oid::bigint, r.oid::bigint, ''
  FROM pg_catalog.pg_publication_rel AS r
 WHERE r.prpubid IN (SELECT publication FROM in_schemas)
 UNION ALL
SELECT 'finish', 'pg_catalog.pg_policy'::regclass::oid::bigint, p.oid::bigint,
       n.nspname || ' POLICY "' || replace(p.polname, '"', '""') || '" ON "' || replace(c.relname, '"', '""') || '"'
  FROM pg_catalog.pg_policy AS p
  JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_database AS b ON b.datname = pg_catalog.current_database()
 WHERE b.datdba = ANY (p.polroles)
