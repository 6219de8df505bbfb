-- Each table as text: one line for the whole, one per column, in attribute order (by name in a table that inherits). Owners and privileges are not in it,
-- nor what a version adds that means nothing elsewhere (15's attoptions carry pg_attver).
WITH shown AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), columns AS (
    SELECT a.attrelid,
           string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                      CASE WHEN a.attcollation <> t.typcollation
                           THEN (SELECT format('COLLATE %I.%I', ln.nspname, l.collname)
                                   FROM pg_collation AS l JOIN pg_namespace AS ln ON ln.oid = l.collnamespace
                                  WHERE l.oid = a.attcollation) END,
                      CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                      -- From 17 on partitions have their parent's identity marked too.
                      CASE WHEN a.attidentity <> '' AND NOT s.relispartition THEN 'IDENTITY ' || a.attidentity::text END,
                      CASE WHEN a.attgenerated <> '' THEN 'GENERATED ' || a.attgenerated::text
                           WHEN f.adbin IS NOT NULL THEN 'DEFAULT' END,
                      pg_get_expr(f.adbin, f.adrelid),
                      CASE WHEN a.attstorage <> t.typstorage THEN 'STORAGE ' || a.attstorage::text END,
                      CASE WHEN to_jsonb(a) ->> 'attcompression' <> ''
                           THEN 'COMPRESSION ' || (to_jsonb(a) ->> 'attcompression') END,
                      -- "Not set" is -1 below 17 and NULL from 17 on.
                      CASE WHEN a.attstattarget >= 0 THEN 'STATISTICS ' || a.attstattarget END,
                      (SELECT 'OPTIONS ' || string_agg(o.entry, ', ' ORDER BY o.entry)
                         FROM unnest(a.attoptions) AS o (entry) WHERE o.entry NOT LIKE 'pg_attver=%'),
                      (SELECT 'FOREIGN OPTIONS ' || string_agg({option}, ', ' ORDER BY o.entry)
                         FROM unnest(a.attfdwoptions) AS o (entry))),
                      E'\n' ORDER BY CASE WHEN h.there THEN a.attname END COLLATE "C", a.attnum) AS lines
      FROM shown AS s
      JOIN pg_attribute AS a ON a.attrelid = s.oid
      JOIN pg_type AS t ON t.oid = a.atttypid
      -- A dump puts the inherited columns first, in their parents' order, wherever they stood.
     CROSS JOIN LATERAL (SELECT NOT s.relispartition AND EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = s.oid)
                         ) AS h (there)
      -- A dump gives a partition without a default DEFAULT NULL where its parent has one; of a type with a modifier the
      -- server keeps that. Only of a domain does it mean anything.
      LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
                               AND (a.attgenerated <> '' OR t.typtype = 'd' OR pg_get_expr(f.adbin, f.adrelid) NOT IN (
                                        'NULL::' || format_type(a.atttypid, NULL), 'NULL::' || format_type(a.atttypid, -1)))
     WHERE a.attnum > 0 AND NOT a.attisdropped
     GROUP BY a.attrelid
)
SELECT CASE s.relkind WHEN 'v' THEN 'view columns' WHEN 'm' THEN 'view columns' WHEN 'c' THEN 'type'
                      WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
       s.name,
       concat_ws(E'\n',
           concat_ws(' ',
               CASE WHEN s.relpersistence = 'u' THEN 'UNLOGGED' END,
               CASE WHEN s.relrowsecurity THEN 'ROW SECURITY' END,
               CASE WHEN s.relforcerowsecurity THEN 'FORCED' END,
               CASE WHEN s.relreplident NOT IN ('d', 'n') OR (s.relreplident = 'n' AND s.relkind IN ('r', 'p'))
                    THEN 'REPLICA IDENTITY ' || s.relreplident::text END,
               CASE WHEN m.amname <> 'heap' THEN 'USING ' || m.amname END,
               (SELECT concat_ws(' ', 'SERVER', quote_ident(v.srvname),
                                 (SELECT 'OPTIONS ' || string_agg({option}, ', ' ORDER BY o.entry)
                                    FROM unnest(ft.ftoptions) AS o (entry)))
                  FROM pg_foreign_table AS ft JOIN pg_foreign_server AS v ON v.oid = ft.ftserver WHERE ft.ftrelid = s.oid),
               (SELECT 'OF ' || format_type(s.reloftype, NULL) WHERE s.reloftype <> 0),
               (SELECT 'WITH ' || string_agg(o.entry, ', ' ORDER BY o.entry) FROM unnest(s.reloptions) AS o (entry)),
               (SELECT 'TOAST WITH ' || string_agg(o.entry, ', ' ORDER BY o.entry)
                  FROM pg_class AS tc, unnest(tc.reloptions) AS o (entry) WHERE tc.oid = s.reltoastrelid),
               (SELECT 'CHILD OF ' || string_agg(format('%I.%I', pn.nspname, pc.relname), ', ' ORDER BY i.inhseqno)
                  FROM pg_inherits AS i
                  JOIN pg_class AS pc ON pc.oid = i.inhparent
                  JOIN pg_namespace AS pn ON pn.oid = pc.relnamespace
                 WHERE i.inhrelid = s.oid),
               CASE WHEN s.relispartition THEN pg_get_expr(s.relpartbound, s.oid) END,
               CASE WHEN s.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(s.oid) END),
           k.lines) AS definition
  FROM shown AS s
  LEFT JOIN columns AS k ON k.attrelid = s.oid
  LEFT JOIN pg_am AS m ON m.oid = s.relam
