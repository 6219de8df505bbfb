-- Indexes of ordinary tables: how large, and the statements that build one first and make it a constraint's afterwards.
SELECT 'pg_catalog.pg_class'::regclass::oid::bigint, i.indexrelid::bigint,
       k.oid::bigint,
       pg_catalog.pg_relation_size(i.indexrelid),
       CASE WHEN adoptable.yes THEN pg_catalog.pg_get_indexdef(i.indexrelid) ELSE '' END,
       CASE WHEN adoptable.yes THEN
           pg_catalog.format(
               'ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s USING INDEX %I%s%s',
               n.nspname, t.relname, k.conname, CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, x.relname,
               CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END,
               CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END)
           ELSE '' END,
       'pg_catalog.pg_constraint'::regclass::oid::bigint
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
  JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
  LEFT JOIN pg_catalog.pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = t.oid
                                         AND k.contype IN ('p', 'u', 'x')
 -- Temporal keys are GiST and can only be made whole. https://www.postgresql.org/docs/current/sql-altertable.html
 CROSS JOIN LATERAL (SELECT k.contype IN ('p', 'u') AND m.amname = 'btree' AND i.indpred IS NULL
                            AND i.indexprs IS NULL AND x.relname = k.conname) AS adoptable (yes)
 WHERE t.relkind = 'r' AND i.indisvalid AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', '_heroku', 'pgcutover')
