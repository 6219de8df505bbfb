-- What exists from 15 on: publications of whole schemas, of some columns, of some rows.
SELECT 'publication schema' AS kind, format('%I %I', p.pubname, n.nspname) AS name, '' AS definition
  FROM pg_publication_namespace AS r
  JOIN pg_publication AS p ON p.oid = r.pnpubid
  JOIN pg_namespace AS n ON n.oid = r.pnnspid
 WHERE n.oid IN ({schemas})
 UNION ALL
SELECT o.kind, format('%I %I.%I', p.pubname, n.nspname, c.relname), o.definition
  FROM pg_publication_rel AS r
  JOIN pg_publication AS p ON p.oid = r.prpubid
  JOIN pg_class AS c ON c.oid = r.prrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (VALUES ('publication filter', pg_get_expr(r.prqual, r.prrelid)),
                            ('publication columns',
                             (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C")
                                FROM unnest(r.prattrs::smallint[]) AS k (number)
                                JOIN pg_attribute AS a ON a.attrelid = r.prrelid AND a.attnum = k.number))
                     ) AS o (kind, definition)
 WHERE o.definition IS NOT NULL AND n.oid IN ({schemas})
