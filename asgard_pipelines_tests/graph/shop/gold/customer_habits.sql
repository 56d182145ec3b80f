/* asgard:
description: What is known of each customer at the first instant of a month.
entity: customer_id
timestamp: created_at
partition: monthly
start: 2024-02
*/
SELECT
    s.customer_id,
    count(*) AS orders,
    sum(s.amount) AS spent,
    date_diff('day', max(s.sold_at), p.partition_start) AS idle_days,
    p.partition_start AS created_at
FROM asgard.partitions AS p
INNER JOIN gold.sales AS s ON s.sold_at < p.partition_start
GROUP BY s.customer_id, p.partition_start
