-- The lowest and the highest key.
SELECT min({column}), max({column}) FROM {table} AS t
