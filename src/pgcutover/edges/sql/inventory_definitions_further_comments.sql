-- Comments that the definitions' own statement leaves out: on what stands in no schema, on operators, text search and the
-- like, on the schemas that every database is made with, and on large objects.
SELECT 'comment' AS kind,
       concat_ws(' ', 'on', i.type, CASE WHEN i.type = 'transform' THEN replace(i.identity, ' on language ', ' language ')
                                         ELSE i.identity END) AS name,
       c.description AS definition
  FROM pg_description AS c
 CROSS JOIN LATERAL pg_identify_object(c.classoid, c.objoid, c.objsubid) AS i
 WHERE (c.objoid >= 16384 OR i.type = 'schema' AND i.identity = 'public')
   AND i.type IS NOT NULL
   AND c.classoid NOT IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass,
                          'pg_statistic_ext'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass,
                          'pg_policy'::regclass, 'pg_extension'::regclass)
   AND NOT (c.classoid = 'pg_namespace'::regclass AND i.identity NOT IN ('public', 'heroku_ext'))
   AND (i.schema IS NULL OR i.schema IN (SELECT n.nspname FROM pg_namespace AS n WHERE n.oid IN ({schemas})))
   -- Heroku's own event triggers go by the schema of their functions.
   AND NOT EXISTS (SELECT FROM pg_event_trigger AS e
                     JOIN pg_proc AS p ON p.oid = e.evtfoid
                    WHERE c.classoid = 'pg_event_trigger'::regclass AND e.oid = c.objoid
                      AND p.pronamespace NOT IN ({schemas}))
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = c.classoid AND d.objid = c.objoid AND d.deptype = 'e')
 UNION ALL
SELECT 'comment', 'on extension ' || quote_ident(e.extname), c.description
  FROM pg_description AS c
  JOIN pg_extension AS e ON c.classoid = 'pg_extension'::regclass AND e.oid = c.objoid
 UNION ALL
SELECT 'comment', 'on the database', c.description
  FROM pg_shdescription AS c
  JOIN pg_database AS b ON c.classoid = 'pg_database'::regclass AND b.oid = c.objoid
 WHERE b.datname = current_database()
