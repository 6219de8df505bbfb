-- What the second credential may do, as its owner granted it over the years. Run as the database's owner.

GRANT USAGE ON SCHEMA public, billing TO acme_reporting;
GRANT SELECT ON accounts, orders, order_items, events, active_accounts, account_totals TO acme_reporting;
GRANT SELECT ON ALL TABLES IN SCHEMA billing TO acme_reporting;
GRANT SELECT, INSERT, UPDATE ON audit_log TO acme_reporting;
GRANT SELECT (id, account_id, email, tags), UPDATE (tags) ON users TO acme_reporting;
GRANT SELECT ON "Weird ""Name"" table" TO acme_reporting WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE invoice_number_seq TO acme_reporting;
GRANT EXECUTE ON FUNCTION billing.account_balance(bigint) TO acme_reporting;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO acme_reporting;
ALTER DEFAULT PRIVILEGES IN SCHEMA billing GRANT SELECT ON TABLES TO acme_reporting;
