-- What the planner knows of the columns of these tables and of the expressions of their indexes; a row per table of
-- which it is all there, fresh, and nothing that pg_stats does not show.
-- Fresh: known to be gathered, and little was written since. Counters that a crash took look like never gathered.
WITH wanted AS (
    SELECT c.oid, n.nspname, c.relname
      FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS w (nspname, relname)
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.nspname::name
      JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.relname::name
     WHERE c.relkind = 'r'
       AND coalesce(pg_catalog.pg_stat_get_last_analyze_time(c.oid),
                    pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) IS NOT NULL
       AND pg_catalog.pg_stat_get_mod_since_analyze(c.oid) <= %(stale)s * pg_catalog.pg_stat_get_live_tuples(c.oid)
       -- Bytes without an encoding cannot travel as text.
       AND pg_catalog.current_setting('server_encoding') <> 'SQL_ASCII'
), relation AS (
    SELECT w.oid AS root, w.oid, w.nspname, w.relname, NULL::int2[] AS keys FROM wanted AS w
     UNION ALL
    SELECT w.oid, c.oid, n.nspname, c.relname, i.indkey::int2[]
      FROM wanted AS w
      JOIN pg_catalog.pg_index AS i ON i.indrelid = w.oid
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE i.indexprs IS NOT NULL AND i.indisvalid AND i.indisready
), attribute AS (
    SELECT r.root, r.nspname, r.relname, a.attname,
           CASE WHEN r.keys IS NOT NULL THEN a.attnum END AS position,
           -- A type's own way of gathering (ranges before 17, PostGIS) leaves what pg_stats does not show.
           t.typanalyze = 0 OR t.typanalyze = 'pg_catalog.ts_typanalyze'::pg_catalog.regproc
           OR t.typtype = 'b' AND t.typanalyze = 'pg_catalog.array_typanalyze'::pg_catalog.regproc AS shown,
           pg_catalog.format_type(a.atttypid, -1) || coalesce(collated.by, '') AS values_order,
           CASE WHEN t.typanalyze = 'pg_catalog.array_typanalyze'::pg_catalog.regproc
                THEN pg_catalog.format_type(t.typelem, -1) || coalesce(collated.by, '') END AS elements_order
      FROM relation AS r
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
      LEFT JOIN LATERAL (SELECT format(' COLLATE %%I.%%I', n.nspname, o.collname) AS by
                           FROM pg_catalog.pg_collation AS o
                           JOIN pg_catalog.pg_namespace AS n ON n.oid = o.collnamespace
                          WHERE o.oid = a.attcollation) AS collated ON true
     WHERE a.attstattarget IS DISTINCT FROM 0
       -- Virtual columns (from 18 on) have none.
       AND to_jsonb(a) ->> 'attgenerated' IS DISTINCT FROM 'v'
       -- int2vector counts from 0.
       AND (r.keys IS NULL OR r.keys[a.attnum - 1] = 0)
)
SELECT w.nspname::text, w.relname::text,
       json_agg(json_build_object(
           'schema', a.nspname, 'relation', a.relname, 'name', CASE WHEN a.position IS NULL THEN a.attname END,
           'position', a.position, 'values_order', a.values_order, 'elements_order', a.elements_order,
           'null_frac', s.null_frac, 'avg_width', s.avg_width, 'n_distinct', s.n_distinct,
           'most_common_vals', s.most_common_vals::text, 'most_common_freqs', s.most_common_freqs::text,
           'histogram_bounds', s.histogram_bounds::text, 'correlation', s.correlation,
           'most_common_elems', s.most_common_elems::text,
           'most_common_elem_freqs', s.most_common_elem_freqs::text,
           'elem_count_histogram', s.elem_count_histogram::text))::text,
       array_agg(CASE WHEN s.histogram_bounds IS NOT NULL THEN a.values_order END)
       || array_agg(CASE WHEN s.most_common_elems IS NOT NULL THEN a.elements_order END)
  FROM wanted AS w
  JOIN attribute AS a ON a.root = w.oid
  -- OFFSET 0 has each looked up by its names: joined freely, the view is read again and again.
  LEFT JOIN LATERAL (SELECT s.*
                       FROM pg_catalog.pg_stats AS s
                      WHERE s.schemaname = a.nspname AND s.tablename = a.relname AND s.attname = a.attname
                        AND NOT s.inherited
                     OFFSET 0) AS s ON true
 GROUP BY w.oid, w.nspname, w.relname
HAVING bool_and(a.shown AND s.attname IS NOT NULL)
