/* asgard:
description: Whether a customer buys in the 31 days from the first instant of a month.
entity: customer_id
timestamp: created_at
label: returned
partition: monthly
start: 2024-02
lookahead: 31d
*/
SELECT
    s.customer_id,
    p.partition_start AS created_at,
    count_if(s.sold_at >= p.partition_start) > 0 AS returned
FROM asgard.partitions AS p
INNER JOIN gold.sales AS s ON s.sold_at < p.partition_start + INTERVAL '31' DAY
WHERE p.partition_start + INTERVAL '31' DAY <= p.watermark
GROUP BY s.customer_id, p.partition_start
HAVING min(s.sold_at) < p.partition_start
