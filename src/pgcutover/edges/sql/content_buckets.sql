-- The same per bucket of keys; a bucket is the lowest bits of the key's hash.
SELECT t.bucket, count(*), sum(hashtextextended(t.spelt, 0)), sum(hashtextextended(t.spelt, 7777777777777777777))
  FROM (SELECT hashtextextended({key}, 0) & {mask} AS bucket, {row} AS spelt FROM {table} AS t OFFSET 0) AS t
 GROUP BY 1
