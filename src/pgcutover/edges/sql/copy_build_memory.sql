-- Memory for the sorts of this transaction: what is wanted, but not more than what the server gives every session anyway,
-- or this builder's share of a quarter of the server's memory, which is what shared_buffers is by default.
SELECT pg_catalog.set_config(
    'maintenance_work_mem',
    (LEAST(%(wanted)s::bigint,
           GREATEST(pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')),
                    pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) / %(builders)s::bigint))
     / 1024)::text,
    true)
