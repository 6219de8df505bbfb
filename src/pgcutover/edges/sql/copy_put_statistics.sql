-- Set what the planner knows of tables that have just been filled: of their columns from the source's documents, of the
-- tables themselves what they are here (traps.md T19). The numbers of the tables that have all of it now.
-- https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD
WITH given AS MATERIALIZED (
    SELECT g.number, g.schema, g.name, g.document, r.rows, r.frozen,
           (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint)::integer AS pages,
           -- Building an index counts them, unless autovacuum is off; rows that were frozen on their way leave nearly
           -- all of them so. NULL changes nothing.
           CASE WHEN r.frozen AND c.relallvisible = 0 THEN
               (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint)::integer
           END AS visible
      FROM pg_temp.pgcutover_statistics AS g
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = g.schema::name
      JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = g.name::name AND c.relkind = 'r'
      JOIN (SELECT p.number, sum(m.rows) AS rows, bool_and(p.frozen) AS frozen
              FROM unnest(%(numbers)s::bigint[], %(chunks)s::text[], %(frozen)s::boolean[])
                   AS p (number, chunk, frozen)
              JOIN pgcutover.chunk AS m ON m.run_id = %(run)s AND m.chunk = p.chunk
             GROUP BY p.number) AS r ON r.number = g.number
     WHERE r.rows > 0
), attribute AS MATERIALIZED (
    SELECT g.number, row_number() OVER () AS place, a.*
      FROM given AS g
     CROSS JOIN json_to_recordset(g.document)
           AS a (schema text, relation text, name text, position int2, values_order text, elements_order text,
                 null_frac real, avg_width integer, n_distinct real, most_common_vals text, most_common_freqs real[],
                 histogram_bounds text, correlation real, most_common_elems text, most_common_elem_freqs real[],
                 elem_count_histogram real[])
), ordered AS MATERIALIZED (
    SELECT number, place, values_order AS "order", histogram_bounds AS list FROM attribute
     WHERE histogram_bounds IS NOT NULL
     UNION ALL
    SELECT number, -place, elements_order, most_common_elems FROM attribute
     WHERE elements_order IS NOT NULL AND most_common_elems IS NOT NULL
), strange AS MATERIALIZED ({strange}
), columns AS MATERIALIZED (
    SELECT a.number,
           bool_and(pg_catalog.pg_restore_attribute_stats(
               'schemaname', a.schema, 'relname', a.relation, 'attname', a.name, 'attnum', a.position,
               'inherited', false, 'null_frac', a.null_frac, 'avg_width', a.avg_width, 'n_distinct', a.n_distinct,
               'most_common_vals', a.most_common_vals, 'most_common_freqs', a.most_common_freqs,
               'histogram_bounds', a.histogram_bounds, 'correlation', a.correlation,
               'most_common_elems', a.most_common_elems, 'most_common_elem_freqs', a.most_common_elem_freqs,
               'elem_count_histogram', a.elem_count_histogram)) AS taken
      FROM attribute AS a
     WHERE a.number NOT IN (SELECT s.number FROM strange AS s)
       -- An index that comes at the very end is analyzed there.
       AND (a.name IS NOT NULL
            OR EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                        WHERE n.nspname = a.schema::name AND c.relname = a.relation::name))
     GROUP BY a.number
)
SELECT g.number
  FROM given AS g
  JOIN columns AS c ON c.number = g.number
 WHERE c.taken
   AND pg_catalog.pg_restore_relation_stats(
           'schemaname', g.schema, 'relname', g.name, 'relpages', g.pages, 'reltuples', g.rows::real,
           'relallvisible', g.visible, 'relallfrozen', g.visible)
