-- Owners other than the database's, of everything that has one. Superusers are the platform's, whatever they are called.
SELECT 'owner' AS kind,
       concat_ws(' ', 'of', i.type, i.identity) AS name,
       CASE WHEN r.rolsuper THEN '(superuser)' ELSE r.rolname::text END AS definition
  FROM (SELECT 'pg_class'::regclass, c.oid, c.relowner, c.relnamespace FROM pg_class AS c
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
         UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, pronamespace FROM pg_proc
         UNION ALL
        SELECT 'pg_type'::regclass, t.oid, t.typowner, t.typnamespace FROM pg_type AS t
         WHERE NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
           AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
         UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, oid FROM pg_namespace
         UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner, oprnamespace FROM pg_operator
         UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner, opcnamespace FROM pg_opclass
         UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner, opfnamespace FROM pg_opfamily
         UNION ALL SELECT 'pg_collation'::regclass, oid, collowner, collnamespace FROM pg_collation
         UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner, connamespace FROM pg_conversion
         UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner, cfgnamespace FROM pg_ts_config
         UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner, dictnamespace FROM pg_ts_dict
         UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner, stxnamespace FROM pg_statistic_ext
         UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner, NULL FROM pg_foreign_server
         UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, fdwowner, NULL FROM pg_foreign_data_wrapper
         UNION ALL SELECT 'pg_publication'::regclass, oid, pubowner, NULL FROM pg_publication
         UNION ALL
        SELECT 'pg_event_trigger'::regclass, e.oid, e.evtowner, NULL
          FROM pg_event_trigger AS e JOIN pg_proc AS p ON p.oid = e.evtfoid WHERE p.pronamespace IN ({schemas})
         UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner, NULL FROM pg_largeobject_metadata
       ) AS o (class, oid, owner, schema)
  JOIN pg_roles AS r ON r.oid = o.owner
  JOIN pg_database AS b ON b.datname = current_database()
 CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) AS i
 WHERE o.owner <> b.datdba
   AND (o.schema IS NULL OR o.schema IN ({schemas}))
   AND (o.oid >= 16384 OR o.class = 'pg_namespace'::regclass)
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i'))
