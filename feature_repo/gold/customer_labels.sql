/* asgard:
description: Whether a customer bought nothing in the 90 days from the first instant of a month.
owner: team:customers
tags: {domain: customers}
entity: customer_id
timestamp: created_at
label: churned
partition: monthly
start: 1997-02
lookahead: 90d
columns: {customer_id: string, created_at: timestamp, churned: bool}
*/
-- One row per customer who has bought before the partition's first instant, and none at all while
-- the 90 days are not over: up to the watermark the purchases are complete, and not beyond it.
SELECT
    b.customer_id,
    p.partition_start AS created_at,
    count_if(b.purchased_at >= p.partition_start) = 0 AS churned
FROM asgard.partitions AS p
INNER JOIN gold.purchases AS b ON b.purchased_at < p.partition_start + INTERVAL '90' DAY
WHERE p.partition_start + INTERVAL '90' DAY <= p.watermark
GROUP BY b.customer_id, p.partition_start
HAVING min(b.purchased_at) < p.partition_start
