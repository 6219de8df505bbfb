-- Documents of the source, by the table that they describe; gone when the transaction ends.
CREATE TEMPORARY TABLE pgcutover_statistics (number bigint, schema text, name text, document json) ON COMMIT DROP
