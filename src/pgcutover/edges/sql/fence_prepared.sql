-- Prepared transactions of this database: COMMIT PREPARED would write whatever stands in its way.
SELECT p.gid::text, p.owner::text, p.prepared
  FROM pg_prepared_xacts AS p
 WHERE p.database = current_database()
 ORDER BY p.prepared
