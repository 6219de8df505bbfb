-- What an app that logs in as the second credential needs to keep a ledger of its own. Run as the database's owner.

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger_entries TO acme_reporting;
GRANT USAGE ON SEQUENCE ledger_entries_id_seq TO acme_reporting;
