-- What Heroku itself keeps in a customer's database (the generation of 2025-2026): a schema of another owner, with a
-- table nobody was granted, and five event triggers. Their bodies here are harmless on Heroku; restored on RDS, where
-- the role rds_superuser exists, the first one breaks every later DDL, as the real ones do.
-- https://github.com/neondatabase/neon/pull/11794, https://github.com/DFE-Digital/apply-for-teacher-training/pull/7990

CREATE SCHEMA _heroku;
REVOKE ALL ON SCHEMA _heroku FROM PUBLIC;

CREATE TABLE _heroku.cdc (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connector text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO _heroku.cdc (connector) VALUES ('none');

CREATE FUNCTION _heroku.validate_search_path() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rds_superuser') THEN
        RAISE EXCEPTION 'role "heroku_admin" is not what runs this server'
            USING HINT = 'an event trigger of Heroku was restored outside Heroku';
    END IF;
END $$;

CREATE FUNCTION _heroku.extension_before_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE LOG 'heroku: % by %', tg_tag, session_user;
END $$;

CREATE FUNCTION _heroku.validate_extension() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    misplaced text;
BEGIN
    SELECT string_agg(e.extname, ', ') INTO misplaced
      FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
     WHERE n.nspname = '_heroku';
    IF misplaced IS NOT NULL THEN
        RAISE EXCEPTION 'extension % may not be installed in schema _heroku', misplaced;
    END IF;
END $$;

CREATE FUNCTION _heroku.create_ext() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE LOG 'heroku: extension configured';
END $$;

CREATE FUNCTION _heroku.drop_ext() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE LOG 'heroku: extension dropped';
END $$;

CREATE FUNCTION _heroku.grant_table_if_exists(alias text, grants text, to_role text, relation text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass(format('%I.%I', alias, relation)) IS NOT NULL THEN
        EXECUTE format('GRANT %s ON TABLE %I.%I TO %I', grants, alias, relation, to_role);
    END IF;
END $$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA _heroku FROM PUBLIC;

CREATE EVENT TRIGGER "00_validate_before_start" ON ddl_command_start
    EXECUTE FUNCTION _heroku.validate_search_path();
CREATE EVENT TRIGGER "01_extension_before_drop" ON ddl_command_start WHEN TAG IN ('DROP EXTENSION')
    EXECUTE FUNCTION _heroku.extension_before_drop();
CREATE EVENT TRIGGER "00_validate_extension_after" ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION')
    EXECUTE FUNCTION _heroku.validate_extension();
CREATE EVENT TRIGGER "01_configure_extension_after" ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION')
    EXECUTE FUNCTION _heroku.create_ext();
CREATE EVENT TRIGGER "01_configure_extension_drop" ON sql_drop WHEN TAG IN ('DROP EXTENSION')
    EXECUTE FUNCTION _heroku.drop_ext();

-- https://help.heroku.com/ZOFBHJCJ/heroku-postgres-extension-schema-restrictions
CREATE SCHEMA heroku_ext;
CREATE EXTENSION vector WITH SCHEMA heroku_ext;
COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';
