-- What a superuser adds: default privileges of another credential, an index that is not in force.
ALTER DEFAULT PRIVILEGES FOR ROLE everything_writer IN SCHEMA billing GRANT SELECT ON TABLES TO :owner;
ALTER DEFAULT PRIVILEGES FOR ROLE everything_writer GRANT SELECT ON TABLES TO everything_reader;
-- What a CREATE INDEX CONCURRENTLY leaves that failed.
CREATE UNIQUE INDEX invalid_one ON app.no_rows (t);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.invalid_one'::regclass;
