-- Rows of some buckets as each type prints them, ordered by hashes of their key, which every server computes alike.
COPY (
    SELECT hashtextextended({key}, 0) AS first, hashtextextended({key}, 7777777777777777777) AS second, {key} AS key{columns}
      FROM {table} AS t
     WHERE hashtextextended({key}, 0) & {mask} = ANY ({buckets}::bigint[])
     ORDER BY 1, 2
) TO STDOUT
