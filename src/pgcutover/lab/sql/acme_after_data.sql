-- What is cheaper, or only possible, after the rows are there: indexes, the foreign key nobody validated, triggers,
-- views. Run as the database's owner.

CREATE UNIQUE INDEX users_lower_email_key ON users (lower(email));
CREATE INDEX users_active_account_idx ON users (account_id) WHERE active;
CREATE INDEX users_tags_idx ON users USING gin (tags);
CREATE INDEX orders_account_placed_idx ON orders (account_id, placed_at DESC NULLS LAST) INCLUDE (status);
CREATE INDEX orders_meta_idx ON orders USING gin (meta jsonb_path_ops);
CREATE INDEX orders_pending_idx ON orders (placed_at) WHERE status = 'pending';
CREATE INDEX orders_updated_brin ON orders USING brin (updated_at);
CREATE INDEX events_account_idx ON events (account_id, created_at);
CREATE INDEX documents_title_idx ON documents (title COLLATE "C" text_pattern_ops);
CREATE INDEX documents_embedding_idx ON documents USING hnsw (embedding heroku_ext.vector_l2_ops);
CREATE INDEX audit_log_at_idx ON audit_log (at);
CREATE INDEX "Odd ""index"" name" ON "Weird ""Name"" table" ("Mixed Case", "order");
CREATE INDEX ledger_entries_token_idx ON ledger_entries (token);
CREATE STATISTICS orders_account_status (dependencies, ndistinct) ON account_id, status FROM orders;
ALTER TABLE users CLUSTER ON users_pkey;

ALTER TABLE billing.payments ADD CONSTRAINT payments_invoice_fkey
    FOREIGN KEY (invoice_id) REFERENCES billing.invoices (id) NOT VALID;

CREATE TRIGGER accounts_updated_at BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER users_updated_at BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER orders_updated_at BEFORE UPDATE ON orders FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION set_updated_at();

CREATE VIEW active_accounts AS
    SELECT a.id, a.name, count(u.id) AS active_users
      FROM accounts a JOIN users u ON u.account_id = a.id AND u.active
     GROUP BY a.id;
COMMENT ON VIEW active_accounts IS 'Accounts with at least one active user';
CREATE VIEW billing.open_invoices WITH (security_barrier = true) AS
    SELECT i.number, a.name, i.total FROM billing.invoices i JOIN public.accounts a ON a.id = i.account_id WHERE NOT i.paid;
CREATE MATERIALIZED VIEW account_totals AS
    SELECT account_id, count(*) AS orders, sum(total) AS total, max(placed_at) AS last_order
      FROM orders GROUP BY account_id
WITH DATA;
CREATE UNIQUE INDEX account_totals_key ON account_totals (account_id);
-- A materialised view over another one: refreshing has an order.
CREATE MATERIALIZED VIEW billing.best_accounts AS
    SELECT t.account_id, t.total FROM public.account_totals t ORDER BY t.total DESC, t.account_id LIMIT 20
WITH DATA;
