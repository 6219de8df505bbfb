-- How many rows there are, and how many of them were not there, or not as they are, when a digest was taken. It reads
-- no value: neither what is stored out of line nor any text is made.
SELECT count(*), count(*) FILTER (WHERE {newer}) FROM {table} AS t {pages}
