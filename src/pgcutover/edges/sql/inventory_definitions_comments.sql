-- Comments on what the other statements list. The schemas public and heroku_ext are made apart, so theirs do not count.
SELECT 'comment' AS kind,
       concat_ws(' ', 'on', i.type, i.identity) AS name,
       c.description AS definition
  FROM pg_description AS c
 CROSS JOIN LATERAL pg_identify_object(c.classoid, c.objoid, c.objsubid) AS i
 CROSS JOIN LATERAL (SELECT CASE c.classoid
      WHEN 'pg_class'::regclass THEN (SELECT o.relnamespace FROM pg_class AS o WHERE o.oid = c.objoid)
      WHEN 'pg_proc'::regclass THEN (SELECT o.pronamespace FROM pg_proc AS o WHERE o.oid = c.objoid)
      WHEN 'pg_type'::regclass THEN (SELECT o.typnamespace FROM pg_type AS o WHERE o.oid = c.objoid)
      WHEN 'pg_constraint'::regclass THEN (SELECT o.connamespace FROM pg_constraint AS o WHERE o.oid = c.objoid)
      WHEN 'pg_namespace'::regclass THEN (SELECT o.oid FROM pg_namespace AS o
                                           WHERE o.oid = c.objoid AND o.nspname NOT IN ('public', 'heroku_ext'))
      WHEN 'pg_statistic_ext'::regclass THEN (SELECT o.stxnamespace FROM pg_statistic_ext AS o WHERE o.oid = c.objoid)
      WHEN 'pg_trigger'::regclass THEN (SELECT r.relnamespace FROM pg_trigger AS o JOIN pg_class AS r ON r.oid = o.tgrelid
                                         WHERE o.oid = c.objoid)
      WHEN 'pg_rewrite'::regclass THEN (SELECT r.relnamespace FROM pg_rewrite AS o JOIN pg_class AS r ON r.oid = o.ev_class
                                         WHERE o.oid = c.objoid)
      WHEN 'pg_policy'::regclass THEN (SELECT r.relnamespace FROM pg_policy AS o JOIN pg_class AS r ON r.oid = o.polrelid
                                        WHERE o.oid = c.objoid)
      END AS oid) AS schema
 WHERE c.objoid >= 16384
   AND schema.oid IN ({schemas})
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = c.classoid AND d.objid = c.objoid AND d.deptype = 'e')
   AND NOT (c.classoid = 'pg_constraint'::regclass
            AND EXISTS (SELECT FROM pg_constraint AS k WHERE k.oid = c.objoid AND k.contype = 'n'))
