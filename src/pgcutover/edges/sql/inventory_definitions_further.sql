-- What a database holds beside what a dump of its definitions restores by itself: publications, event triggers, user
-- mappings, extensions, labels, and states that no definition tells (filled views, invalid indexes).
WITH shown AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relpersistence <> 't' AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT 'publication' AS kind,
       quote_ident(p.pubname) AS name,
       concat_ws(' ', CASE WHEN p.puballtables THEN 'FOR ALL TABLES' END,
                 CASE WHEN p.pubinsert THEN 'INSERT' END, CASE WHEN p.pubupdate THEN 'UPDATE' END,
                 CASE WHEN p.pubdelete THEN 'DELETE' END, CASE WHEN p.pubtruncate THEN 'TRUNCATE' END,
                 CASE WHEN p.pubviaroot THEN 'VIA ROOT' END,
                 -- From 18 on; none is what there was before.
                 'GENERATED COLUMNS ' || nullif(to_jsonb(p) ->> 'pubgencols', 'n')) AS definition
  FROM pg_publication AS p
 UNION ALL
SELECT 'publication table', format('%I %s', p.pubname, s.name), ''
  FROM pg_publication_rel AS r
  JOIN pg_publication AS p ON p.oid = r.prpubid
  JOIN shown AS s ON s.oid = r.prrelid
 UNION ALL
SELECT 'subscription',
       quote_ident(s.subname),
       concat_ws(' ', CASE WHEN s.subenabled THEN 'ENABLED' END, s.subslotname, s.subpublications::text)
  FROM pg_subscription AS s
  JOIN pg_database AS b ON b.oid = s.subdbid AND b.datname = current_database()
 UNION ALL
SELECT 'event trigger',
       quote_ident(e.evtname),
       concat_ws(' ', e.evtevent, 'ENABLED ' || e.evtenabled::text, e.evtfoid::regprocedure,
                 (SELECT 'WHEN ' || string_agg(quote_literal(g.tag), ', ' ORDER BY g.tag) FROM unnest(e.evttags) AS g (tag)))
  FROM pg_event_trigger AS e
  JOIN pg_proc AS p ON p.oid = e.evtfoid
 WHERE p.pronamespace IN ({schemas})
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
 UNION ALL
-- Options are shown to the mapped role, the server's owner and superusers alone.
SELECT 'user mapping',
       format('%s on %I', CASE WHEN m.umuser = 0 THEN 'PUBLIC' WHEN m.umuser = b.datdba THEN '(owner)'
                               ELSE quote_ident(m.usename) END, m.srvname),
       CASE WHEN m.umoptions IS NULL AND NOT (pg_has_role(v.srvowner, 'USAGE') AND m.umuser = 0
                                              OR pg_has_role(m.umuser, 'USAGE') AND has_server_privilege(v.oid, 'USAGE'))
            THEN '(hidden)'
            ELSE coalesce((SELECT string_agg({option}, ', ' ORDER BY o.entry)
                             FROM unnest(m.umoptions) AS o (entry)), '') END
  FROM pg_user_mappings AS m
  JOIN pg_foreign_server AS v ON v.oid = m.srvid
  JOIN pg_database AS b ON b.datname = current_database()
 UNION ALL
SELECT 'extension', quote_ident(e.extname), format('SCHEMA %I', n.nspname)
  FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
 UNION ALL
SELECT 'extension version', quote_ident(e.extname), e.extversion FROM pg_extension AS e
 UNION ALL
SELECT 'collation version', format('%I.%I', n.nspname, l.collname), l.collversion
  FROM pg_collation AS l JOIN pg_namespace AS n ON n.oid = l.collnamespace
 WHERE l.oid >= 16384 AND l.collversion IS NOT NULL AND l.collnamespace IN ({schemas})
 UNION ALL
SELECT 'security label', format('%s on %s %s', l.provider, i.type, i.identity), l.label
  FROM pg_seclabel AS l
 CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) AS i
 UNION ALL
SELECT 'rows of materialised view', s.name, CASE WHEN s.relispopulated THEN 'filled' ELSE 'empty' END
  FROM shown AS s WHERE s.relkind = 'm'
 UNION ALL
SELECT 'invalid index', format('%I.%I', n.nspname, c.relname), pg_get_indexdef(c.oid)
  FROM pg_index AS i
  JOIN shown AS s ON s.oid = i.indrelid
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND c.relkind = 'i'
 UNION ALL
-- Triggers that a constraint is enforced by: switched off, it is a constraint in name only.
SELECT 'enforcement', format('%s.%I', s.name, k.conname),
       string_agg(format('%s ENABLED %s', t.tgtype, t.tgenabled), ', ' ORDER BY t.tgtype, t.tgenabled)
  FROM pg_trigger AS t
  JOIN shown AS s ON s.oid = t.tgrelid
  JOIN pg_constraint AS k ON k.oid = t.tgconstraint
 WHERE t.tgisinternal AND t.tgenabled <> 'O'
 GROUP BY s.name, k.conname
 UNION ALL
SELECT 'database', o.name, o.value
  FROM pg_database AS b
 CROSS JOIN LATERAL (VALUES ('encoding', pg_encoding_to_char(b.encoding)::text),
                            -- en_US.UTF-8 and en_US.utf8 are one locale.
                            ('collation', replace(lower(b.datcollate), '-', '')),
                            ('character type', replace(lower(b.datctype), '-', '')),
                            ('locale provider', coalesce(to_jsonb(b) ->> 'datlocprovider', 'c')),
                            ('locale', coalesce(to_jsonb(b) ->> 'datlocale', to_jsonb(b) ->> 'daticulocale', '')),
                            ('connection limit', b.datconnlimit::text)) AS o (name, value)
 WHERE b.datname = current_database()
