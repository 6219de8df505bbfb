-- Count and two sums of 64-bit hashes over every row's text: equal for equal rows in any order, and duplicates count.
-- The text is spelled twice, so that the planner may hand parts of the table to parallel workers.
SELECT count(*),
       coalesce(sum(hashtextextended({row}, 0)), 0),
       coalesce(sum(hashtextextended({row}, 7777777777777777777)), 0)
  FROM {table} AS t
