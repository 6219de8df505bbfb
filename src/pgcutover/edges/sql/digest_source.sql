-- The oldest transaction that was running when the snapshot was taken: what is older was over, and what of it is there
-- the snapshot sees. The last 32 bits, which is what a row has. No pages: one statement, for nobody is kept waiting.
SELECT txid_snapshot_xmin(txid_current_snapshot()) & 4294967295, 0
