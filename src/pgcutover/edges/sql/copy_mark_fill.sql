-- Completes the markers that this transaction took.
UPDATE pgcutover.chunk AS c
   SET rows = u.rows, bytes = u.bytes, seconds = u.seconds, committed_at = pg_catalog.clock_timestamp()
  FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::bigint[]), pg_catalog.unnest($4::bigint[]),
                  pg_catalog.unnest($5::double precision[]))
       AS u (chunk, rows, bytes, seconds)
 WHERE c.run_id = $1 AND c.chunk = u.chunk
RETURNING c.chunk
