-- What only two servers of 18 or later can agree on: NOT NULL constraints by name, before then a property of the column.
-- A partition keeps its constraints when it is detached, and an index that becomes its primary key makes inherited ones
-- its own: whether they are says nothing there.
SELECT 'constraint' AS kind,
       CASE WHEN k.conrelid <> 0 THEN format('%s.%I', k.conrelid::regclass, k.conname)
            ELSE format('%s.%I', k.contypid::regtype, k.conname) END AS name,
       concat_ws(' ', pg_get_constraintdef(k.oid),
                 CASE WHEN NOT k.conislocal AND c.relispartition IS NOT TRUE THEN 'INHERITED' END) AS definition
  FROM pg_constraint AS k
  LEFT JOIN pg_class AS c ON c.oid = k.conrelid
 WHERE k.contype = 'n' AND k.connamespace IN ({schemas}) AND coalesce(c.relpersistence, 'p') <> 't'
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = k.conrelid AND d.deptype = 'e')
