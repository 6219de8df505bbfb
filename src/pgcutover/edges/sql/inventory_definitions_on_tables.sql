-- What hangs on a table: constraints, indexes, triggers, rules, policies, extended statistics.
-- Left out: NOT NULL constraints, which are rows of pg_constraint only from 18 on and are told with the column; foreign
-- keys that a partition has from its parent, whose names the server chooses anew on each restore; invalid indexes.
WITH shown AS (
    SELECT c.oid, c.relowner, format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT 'constraint' AS kind,
       format('%s.%I', s.name, k.conname) AS name,
       concat_ws(' ', pg_get_constraintdef(k.oid),
                 CASE WHEN NOT k.conislocal THEN 'INHERITED' END,
                 CASE WHEN k.contype NOT IN ('c', 'f') AND k.conparentid <> 0
                      THEN 'PART OF ' || (SELECT quote_ident(kp.conname) FROM pg_constraint AS kp
                                           WHERE kp.oid = k.conparentid) END) AS definition
  FROM pg_constraint AS k
  JOIN shown AS s ON s.oid = k.conrelid
 WHERE k.contype NOT IN ('n', 't') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
 UNION ALL
SELECT 'index',
       format('%I.%I', n.nspname, c.relname),
       concat_ws(' ', pg_get_indexdef(c.oid),
                 CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
                 CASE WHEN i.indisclustered THEN 'CLUSTERED' END,
                 CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY' END,
                 (SELECT 'PART OF ' || format('%I.%I', pn.nspname, pc.relname)
                    FROM pg_inherits AS h
                    JOIN pg_class AS pc ON pc.oid = h.inhparent
                    JOIN pg_namespace AS pn ON pn.oid = pc.relnamespace
                   WHERE h.inhrelid = c.oid),
                 (SELECT 'STATISTICS ' || string_agg(format('%s=%s', a.attnum, a.attstattarget), ' ' ORDER BY a.attnum)
                    FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attstattarget >= 0))
  FROM pg_index AS i
  JOIN shown AS s ON s.oid = i.indrelid
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE i.indisvalid OR c.relkind = 'I'
 UNION ALL
SELECT 'trigger',
       format('%s.%I', s.name, t.tgname),
       concat_ws(' ', pg_get_triggerdef(t.oid), 'ENABLED ' || t.tgenabled::text)
  FROM pg_trigger AS t
  JOIN shown AS s ON s.oid = t.tgrelid
  -- A partition's copies of its parent's count where they are enabled otherwise; below 15 they are internal.
  LEFT JOIN pg_trigger AS above ON above.oid = (to_jsonb(t) ->> 'tgparentid')::oid
 WHERE (NOT t.tgisinternal AND above.oid IS NULL)
    OR (above.tgenabled <> t.tgenabled AND NOT above.tgisinternal)
 UNION ALL
SELECT 'rule',
       format('%s.%I', s.name, r.rulename),
       concat_ws(' ', pg_get_ruledef(r.oid), 'ENABLED ' || r.ev_enabled::text)
  FROM pg_rewrite AS r
  JOIN shown AS s ON s.oid = r.ev_class
 WHERE r.rulename <> '_RETURN'
 UNION ALL
SELECT 'policy',
       format('%s.%I', s.name, p.polname),
       concat_ws(' ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, 'FOR', p.polcmd, 'TO',
                 (SELECT string_agg(CASE WHEN o.role = 0 THEN 'PUBLIC' WHEN o.role = s.relowner THEN '(owner)'
                                         ELSE pg_get_userbyid(o.role) END, ', ' ORDER BY o.role = 0, o.role = s.relowner,
                                         pg_get_userbyid(o.role))
                    FROM unnest(p.polroles) AS o (role)),
                 'USING ' || pg_get_expr(p.polqual, p.polrelid),
                 'WITH CHECK ' || pg_get_expr(p.polwithcheck, p.polrelid))
  FROM pg_policy AS p
  JOIN shown AS s ON s.oid = p.polrelid
 UNION ALL
SELECT 'statistics',
       format('%I.%I', n.nspname, e.stxname),
       concat_ws(' ', pg_get_statisticsobjdef(e.oid),
                 CASE WHEN e.stxstattarget >= 0 THEN 'TARGET ' || e.stxstattarget END)
  FROM pg_statistic_ext AS e
  JOIN shown AS s ON s.oid = e.stxrelid
  JOIN pg_namespace AS n ON n.oid = e.stxnamespace
