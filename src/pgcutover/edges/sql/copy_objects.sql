-- Everything that definitions make, by what it is called on any server; without extensions' objects, Heroku's and ours.
WITH schemas AS (
    SELECT oid, nspname
      FROM pg_catalog.pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', '_heroku', 'pgcutover')
), members AS (
    SELECT classid, objid
      FROM pg_catalog.pg_depend
     WHERE refclassid = 'pg_catalog.pg_extension'::regclass AND deptype = 'e'
), relations AS (
    SELECT c.*, s.nspname
      FROM pg_catalog.pg_class AS c
      JOIN schemas AS s ON s.oid = c.relnamespace
     WHERE c.relpersistence <> 't'
), ours AS (
    -- Publications of everything, and of whole schemas (from 15 on), are the master's to make, at the very end.
    SELECT p.oid
      FROM pg_catalog.pg_publication AS p
     WHERE NOT p.puballtables
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                        WHERE d.classid = pg_catalog.to_regclass('pg_catalog.pg_publication_namespace')
                          AND d.refclassid = 'pg_catalog.pg_publication'::regclass AND d.refobjid = p.oid)
), things (class_oid, oid, kind, schema, parent, name, valid) AS (
    SELECT 'pg_catalog.pg_namespace'::regclass::oid, oid, 'schema', nspname::text, '', nspname::text, true
      FROM schemas
     UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, oid,
           CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialised view' WHEN 'S' THEN 'sequence'
                        WHEN 'f' THEN 'foreign table' ELSE 'table' END,
           nspname, '', relname, true
      FROM relations
     WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
     UNION ALL
    -- Every index, also those that constraints bring: the constraint may exist while its index is not in force.
    SELECT 'pg_catalog.pg_class'::regclass, r.oid, 'index', r.nspname, t.relname, r.relname, i.indisvalid
      FROM relations AS r
      JOIN pg_catalog.pg_index AS i ON i.indexrelid = r.oid
      JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
     -- pg_dump leaves out what a failed CREATE INDEX CONCURRENTLY left; a partitioned table's index only looks like it.
     WHERE (r.relkind = 'I' OR r.relkind = 'i' AND i.indisvalid) AND NOT EXISTS (SELECT FROM members WHERE objid = t.oid)
     UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, oid, 'row security', nspname, relname, '', true
      FROM relations
     WHERE relrowsecurity
     UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, 'type', s.nspname, '', t.typname, t.typisdefined
      FROM pg_catalog.pg_type AS t
      JOIN schemas AS s ON s.oid = t.typnamespace
      LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
     WHERE t.typtype IN ('b', 'c', 'd', 'e', 'r')
       AND (t.typrelid = 0 OR c.relkind = 'c')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS e WHERE e.typarray = t.oid)
     UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, 'function', s.nspname, '',
           pg_catalog.format('%I(%s)', p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), true
      FROM pg_catalog.pg_proc AS p
      JOIN schemas AS s ON s.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
     UNION ALL
    SELECT 'pg_catalog.pg_operator'::regclass, o.oid, 'operator', s.nspname, '',
           pg_catalog.format('%s(%s, %s)', o.oprname, o.oprleft::regtype, o.oprright::regtype), true
      FROM pg_catalog.pg_operator AS o
      JOIN schemas AS s ON s.oid = o.oprnamespace
     WHERE o.oprcode <> 0
     UNION ALL
    SELECT 'pg_catalog.pg_opclass'::regclass, o.oid, 'operator class', s.nspname, m.amname, o.opcname, true
      FROM pg_catalog.pg_opclass AS o
      JOIN schemas AS s ON s.oid = o.opcnamespace
      JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod
     UNION ALL
    SELECT 'pg_catalog.pg_collation'::regclass, o.oid, 'collation', s.nspname, '', o.collname, true
      FROM pg_catalog.pg_collation AS o
      JOIN schemas AS s ON s.oid = o.collnamespace
     UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::regclass, o.oid, 'text search configuration', s.nspname, '', o.cfgname, true
      FROM pg_catalog.pg_ts_config AS o
      JOIN schemas AS s ON s.oid = o.cfgnamespace
     UNION ALL
    SELECT 'pg_catalog.pg_ts_dict'::regclass, o.oid, 'text search dictionary', s.nspname, '', o.dictname, true
      FROM pg_catalog.pg_ts_dict AS o
      JOIN schemas AS s ON s.oid = o.dictnamespace
     UNION ALL
    SELECT 'pg_catalog.pg_conversion'::regclass, o.oid, 'conversion', s.nspname, '', o.conname, true
      FROM pg_catalog.pg_conversion AS o
      JOIN schemas AS s ON s.oid = o.connamespace
     UNION ALL
    SELECT 'pg_catalog.pg_cast'::regclass, o.oid, 'cast', '-', '',
           pg_catalog.format('%s AS %s', o.castsource::regtype, o.casttarget::regtype), true
      FROM pg_catalog.pg_cast AS o
      -- Below 16384 are the objects that initdb made.
     WHERE o.oid >= 16384
     UNION ALL
    SELECT 'pg_catalog.pg_foreign_server'::regclass, o.oid, 'foreign server', '-', '', o.srvname, true
      FROM pg_catalog.pg_foreign_server AS o
     UNION ALL
    SELECT 'pg_catalog.pg_publication'::regclass, o.oid, 'publication', '-', '', o.pubname, true
      FROM pg_catalog.pg_publication AS o
     WHERE o.oid IN (SELECT oid FROM ours)
     UNION ALL
    SELECT 'pg_catalog.pg_publication_rel'::regclass, x.oid, 'published table', r.nspname, '',
           pg_catalog.format('%I in %I', r.relname, o.pubname), true
      FROM pg_catalog.pg_publication_rel AS x
      JOIN pg_catalog.pg_publication AS o ON o.oid = x.prpubid
      JOIN relations AS r ON r.oid = x.prrelid
     WHERE o.oid IN (SELECT oid FROM ours)
     UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::regclass, o.oid, 'statistics', s.nspname, '', o.stxname, true
      FROM pg_catalog.pg_statistic_ext AS o
      JOIN schemas AS s ON s.oid = o.stxnamespace
     UNION ALL
    -- A partition's share of a foreign key, and of a trigger, is made with the root's and has a name of its own.
    -- NOT NULL became a constraint in 18; it is part of its table unless it is not valid.
    SELECT 'pg_catalog.pg_constraint'::regclass, k.oid, 'constraint', r.nspname, r.relname, k.conname, k.convalidated
      FROM pg_catalog.pg_constraint AS k
      JOIN relations AS r ON r.oid = k.conrelid
     WHERE NOT (k.contype = 'f' AND k.conparentid <> 0) AND k.contype <> 't' AND NOT (k.contype = 'n' AND k.convalidated)
     UNION ALL
    SELECT 'pg_catalog.pg_constraint'::regclass, k.oid, 'domain constraint', s.nspname, t.typname, k.conname, true
      FROM pg_catalog.pg_constraint AS k
      JOIN pg_catalog.pg_type AS t ON t.oid = k.contypid
      JOIN schemas AS s ON s.oid = t.typnamespace
     WHERE k.contype <> 'n' AND NOT EXISTS (SELECT FROM members AS m WHERE m.objid = t.oid)
     UNION ALL
    SELECT 'pg_catalog.pg_trigger'::regclass, g.oid, 'trigger', r.nspname, r.relname, g.tgname, true
      FROM pg_catalog.pg_trigger AS g
      JOIN relations AS r ON r.oid = g.tgrelid
     WHERE NOT g.tgisinternal AND g.tgparentid = 0
     UNION ALL
    SELECT 'pg_catalog.pg_rewrite'::regclass, w.oid, 'rule', r.nspname, r.relname, w.rulename, true
      FROM pg_catalog.pg_rewrite AS w
      JOIN relations AS r ON r.oid = w.ev_class
     WHERE w.rulename <> '_RETURN'
     UNION ALL
    SELECT 'pg_catalog.pg_policy'::regclass, p.oid, 'policy', r.nspname, r.relname, p.polname, true
      FROM pg_catalog.pg_policy AS p
      JOIN relations AS r ON r.oid = p.polrelid
)
SELECT class_oid::bigint, oid::bigint, kind::text, schema::text, parent::text, name::text, valid
  FROM things AS t
 WHERE NOT EXISTS (SELECT FROM members AS m WHERE m.classid = t.class_oid AND m.objid = t.oid)
   -- Row types, indexes and triggers of an extension's tables are not members themselves.
   AND NOT EXISTS (SELECT FROM members AS m
                     JOIN relations AS r ON r.oid = m.objid AND m.classid = 'pg_catalog.pg_class'::regclass
                    WHERE t.parent <> '' AND r.nspname = t.schema AND r.relname = t.parent)
 ORDER BY 3, 4, 5, 6
