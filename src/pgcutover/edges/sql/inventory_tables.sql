-- Every ordinary, partitioned and foreign table: where it hangs, how large it is, and the key that tells its rows apart.
WITH shown AS (
    SELECT c.*, n.nspname
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f')
       AND c.relpersistence <> 't'
       AND c.relnamespace IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT c.nspname::text,
       c.relname::text,
       c.oid::bigint,
       c.relkind::text,
       pg_get_userbyid(c.relowner)::text,
       c.relispartition,
       ARRAY(SELECT ARRAY[pn.nspname::text, pc.relname::text]
               FROM pg_inherits AS i
               JOIN pg_class AS pc ON pc.oid = i.inhparent
               JOIN pg_namespace AS pn ON pn.oid = pc.relnamespace
              WHERE i.inhrelid = c.oid
              ORDER BY i.inhseqno) AS parents,
       p.partstrat::text,
       ARRAY(SELECT coalesce(a.attname::text, '')
               FROM unnest(p.partattrs) WITH ORDINALITY AS k (attnum, position)
               LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0
              ORDER BY k.position) AS partition_columns,
       c.relfilenode::bigint,
       c.relpersistence = 'u' AS unlogged,
       c.relrowsecurity,
       CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint ELSE pg_stat_get_live_tuples(c.oid) END AS rows_estimate,
       CASE WHEN c.relkind = 'r' THEN coalesce(pg_relation_size(c.oid), 0) ELSE 0 END AS heap_bytes,
       CASE WHEN c.reltoastrelid <> 0 THEN coalesce(pg_relation_size(c.reltoastrelid), 0) ELSE 0 END AS toast_bytes,
       CASE WHEN c.relkind = 'r' THEN coalesce(pg_indexes_size(c.oid), 0) ELSE 0 END AS index_bytes,
       (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid) AS index_count,
       ARRAY(SELECT a.attname::text
               FROM (SELECT i.indkey, i.indnkeyatts
                       FROM pg_index AS i
                       JOIN pg_class AS ic ON ic.oid = i.indexrelid
                      WHERE i.indrelid = c.oid
                        AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
                        AND NOT EXISTS (SELECT
                                          FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
                                          JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
                                         WHERE k.position <= i.indnkeyatts AND NOT a.attnotnull)
                      ORDER BY i.indisprimary DESC, i.indimmediate DESC, i.indnkeyatts, ic.relname
                      LIMIT 1) AS best
              CROSS JOIN unnest(best.indkey) WITH ORDINALITY AS k (attnum, position)
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
              WHERE k.position <= best.indnkeyatts
              ORDER BY k.position) AS key
  FROM shown AS c
  LEFT JOIN pg_partitioned_table AS p ON p.partrelid = c.oid
 ORDER BY c.nspname, c.relname
