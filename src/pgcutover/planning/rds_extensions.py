"""Extensions that RDS for PostgreSQL offers, for planning before any instance exists. Only data, as of 2026-10.

What a running instance really offers is asked of it (`pg_available_extensions`) and wins.
https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-extensions.html
"""

RDS_EXTENSIONS = frozenset(
    """
    address_standardizer address_standardizer_data_us amcheck autoinc aws_commons aws_lambda aws_s3 bloom bool_plperl
    btree_gin btree_gist citext collection cube dblink dict_int dict_xsyn earthdistance flow_control fuzzystrmatch h3
    h3_postgis hll hstore hstore_plperl hypopg insert_username intagg intarray ip4r isn jsonb_plperl lo log_fdw ltree
    moddatetime mysql_fdw oracle_fdw orafce pageinspect pg_bigm pg_buffercache pg_cron pg_freespacemap pg_hint_plan
    pg_logicalinspect pg_partman pg_prewarm pg_proctab pg_repack pg_similarity pg_stat_monitor pg_stat_statements pg_tle
    pg_transport pg_trgm pg_visibility pg_walinspect pgactive pgaudit pgcrypto pglogical pgrouting pgrowlocks
    pgstattuple pgtap plperl plpgsql plprofiler pltcl plv8 postgis postgis_raster postgis_tiger_geocoder
    postgis_topology postgres_fdw prefix rdkit rds_casts rds_tools refint roaringbitmap seg sslinfo tablefunc tcn
    tds_fdw tsm_system_rows tsm_system_time unaccent uuid-ossp vector
    """.split()  # noqa: SIM905  (a hundred quoted names would fill a page)
)
