-- What only a superuser may make on stock PostgreSQL, and rds_superuser on RDS: event triggers, publications of everything.
CREATE FUNCTION app.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'ddl %', tg_tag; END $$;
ALTER FUNCTION app.watch() OWNER TO :owner;
CREATE EVENT TRIGGER watch_start ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION app.watch();
CREATE EVENT TRIGGER watch_end ON ddl_command_end EXECUTE FUNCTION app.watch();
CREATE EVENT TRIGGER "Watch ""drop""" ON sql_drop EXECUTE FUNCTION app.watch();
CREATE EVENT TRIGGER watch_rewrite ON table_rewrite EXECUTE FUNCTION app.watch();
ALTER EVENT TRIGGER watch_end ENABLE ALWAYS;
ALTER EVENT TRIGGER watch_rewrite DISABLE;
ALTER EVENT TRIGGER "Watch ""drop""" ENABLE REPLICA;
COMMENT ON EVENT TRIGGER watch_start IS 'sees what starts';
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION a_schema FOR TABLES IN SCHEMA billing;
COMMENT ON PUBLICATION everything IS 'all of it';
