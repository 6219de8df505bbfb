-- Every parameter that this server's parameter group can show, with what decides its type, range and moment of effect.
SELECT name,
       context,
       vartype,
       coalesce(unit, '') AS unit,
       coalesce(min_val, '') AS min_val,
       coalesce(max_val, '') AS max_val,
       coalesce(enumvals, '{}') AS enumvals,
       short_desc
FROM pg_catalog.pg_settings
WHERE context <> 'internal'
  AND category <> 'Developer Options'
  AND name !~ '[.]'
  -- Of one transaction, hence in no configuration file.
  AND name NOT IN ('transaction_deferrable', 'transaction_isolation', 'transaction_read_only')
ORDER BY name
