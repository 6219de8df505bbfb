-- The roles of a new instance, as RDS for PostgreSQL makes them, and who owns the databases that exist at birth.
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.View.html
CREATE ROLE rds_superuser NOLOGIN;
CREATE ROLE rds_password NOLOGIN;
CREATE ROLE rds_replication NOLOGIN;
CREATE ROLE rds_iam NOLOGIN;
CREATE ROLE rds_ad NOLOGIN;
GRANT pg_checkpoint, pg_monitor, pg_signal_backend, pg_use_reserved_connections, rds_password, rds_replication
    TO rds_superuser WITH ADMIN OPTION;
-- What rds.superuser_variables does on RDS.
GRANT SET ON PARAMETER session_replication_role TO rds_superuser;
CREATE ROLE {master} LOGIN NOSUPERUSER INHERIT CREATEDB CREATEROLE NOREPLICATION VALID UNTIL 'infinity'
    PASSWORD {verifier};
GRANT rds_superuser TO {master};
ALTER DATABASE postgres OWNER TO {master};
ALTER DATABASE template1 OWNER TO {master};
CREATE DATABASE rdsadmin;
REVOKE CONNECT, TEMPORARY ON DATABASE rdsadmin FROM PUBLIC
