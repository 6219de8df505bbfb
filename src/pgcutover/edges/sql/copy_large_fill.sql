-- Writes what arrived into the batch's marker.
UPDATE pgcutover.chunk
   SET rows = %(rows)s, bytes = %(bytes)s, committed_at = pg_catalog.clock_timestamp(),
       seconds = extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.now())
 WHERE run_id = %(run)s AND chunk = %(chunk)s
