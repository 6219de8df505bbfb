-- Every sequence; its value is read by a statement of its own, for pg_sequences hides one that was set but never called.
SELECT n.nspname::text,
       c.relname::text,
       s.seqincrement,
       s.seqmin,
       s.seqmax,
       s.seqcycle,
       has_sequence_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable
  FROM pg_sequence AS s
  JOIN pg_class AS c ON c.oid = s.seqrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relpersistence <> 't'
   AND c.relnamespace IN ({schemas})
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname
