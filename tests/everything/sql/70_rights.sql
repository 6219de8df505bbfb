-- Row security, privileges of further credentials, default privileges, settings.
CREATE TABLE app.private (id integer PRIMARY KEY, who text, v text);
INSERT INTO app.private VALUES (1, 'me', 'x'), (2, 'you', 'y');
ALTER TABLE app.private ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.private USING (who = current_user) WITH CHECK (v <> 'z');
CREATE POLICY readers ON app.private AS RESTRICTIVE FOR SELECT TO everything_reader, :owner USING (v IN ('x', 'y'));
CREATE POLICY "Odd ""policy""" ON app.private FOR INSERT TO PUBLIC WITH CHECK (EXISTS (SELECT FROM app.customers AS c WHERE c.email = who));
CREATE POLICY for_owner ON app.private FOR UPDATE TO :owner USING (true);
COMMENT ON POLICY own ON app.private IS 'each their own';
COMMENT ON POLICY for_owner ON app.private IS 'the application''s';
CREATE TABLE app.policy_off (id integer);
CREATE POLICY sleeping ON app.policy_off USING (id > 0);

GRANT USAGE ON SCHEMA app TO everything_reader;
GRANT USAGE, CREATE ON SCHEMA billing TO everything_writer WITH GRANT OPTION;
GRANT SELECT ON app.customers, app.happy, app.z_first TO everything_reader;
GRANT SELECT (id, who), REFERENCES (id) ON app.private TO everything_reader;
GRANT UPDATE (total), INSERT (id) ON billing.invoices TO everything_writer WITH GRANT OPTION;
GRANT ALL ON ALL TABLES IN SCHEMA billing TO everything_writer;
GRANT SELECT ON "Weird Schema"."Odd ""Tab"" le." TO PUBLIC;
GRANT SELECT ("new
line") ON "Weird Schema"."Odd ""Tab"" le." TO everything_reader;
GRANT USAGE ON SEQUENCE app.down TO everything_writer;
REVOKE ALL ON FUNCTION app.definer() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.definer() TO everything_reader;
GRANT EXECUTE ON PROCEDURE app.doing(integer, text) TO everything_writer WITH GRANT OPTION;
REVOKE ALL ON FUNCTION app.all_points(app.point3) FROM PUBLIC;
REVOKE ALL ON TYPE app.mood FROM PUBLIC;
REVOKE ALL ON DOMAIN app.positive FROM PUBLIC;
GRANT USAGE ON TYPE app.mood TO everything_reader;
REVOKE DELETE ON app.no_rows FROM :owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO everything_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON SEQUENCES TO everything_writer WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO everything_reader;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO everything_writer;

ALTER DATABASE :database SET search_path = "$user", public, app, "Weird Schema";
ALTER ROLE :owner SET statement_timeout = '37s';
ALTER ROLE :owner IN DATABASE :database SET work_mem = '5MB';
