-- Of these tables, sequences (and columns, when named), those that are no longer there under that name.
SELECT k.kind, k.schema, k.name, k.column
  FROM unnest(%(kinds)s::text[], %(schemas)s::text[], %(names)s::text[], %(columns)s::text[])
           AS k (kind, schema, name, "column")
 WHERE NOT EXISTS (SELECT
                     FROM pg_class AS c
                     JOIN pg_namespace AS n ON n.oid = c.relnamespace
                    WHERE n.nspname = k.schema AND c.relname = k.name
                      AND CASE k.kind WHEN 'sequence' THEN c.relkind = 'S' ELSE c.relkind IN ('r', 'p') END
                      AND (k.column = '' OR EXISTS (SELECT FROM pg_attribute AS a
                                                     WHERE a.attrelid = c.oid AND a.attname = k.column)))
