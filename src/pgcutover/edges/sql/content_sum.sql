-- Count and two sums of 64-bit hashes over every row's text: equal for equal rows in any order, and duplicates count.
-- OFFSET 0 keeps the planner from spelling each row once per hash. Sums of no rows are NULL.
SELECT NULL::bigint, count(*), sum(hashtextextended(t.spelt, 0)), sum(hashtextextended(t.spelt, 7777777777777777777))
  FROM (SELECT {row} AS spelt FROM {table} AS t {pages} OFFSET 0) AS t
