-- Count and two sums of 64-bit hashes over every row's text, by range of keys: equal for equal rows in any order, and
-- duplicates count. OFFSET 0 keeps the planner from spelling each row once per hash.
SELECT t.place, count(*), sum(hashtextextended(t.spelt, 0)), sum(hashtextextended(t.spelt, 7777777777777777777))
  FROM (SELECT {place} AS place, {row} AS spelt FROM {table} AS t {pages} OFFSET 0) AS t
 GROUP BY 1
