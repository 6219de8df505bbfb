-- The same per bucket of keys; a bucket is the lowest bits of the key's hash.
SELECT hashtextextended({key}, 0) & {mask} AS bucket,
       count(*),
       sum(hashtextextended({row}, 0)),
       sum(hashtextextended({row}, 7777777777777777777))
  FROM {table} AS t
 GROUP BY 1
