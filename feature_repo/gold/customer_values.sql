/* asgard:
description: What a customer spent in the 90 days from the first instant of a month, in dollars.
owner: team:customers
tags: {domain: customers}
entity: customer_id
timestamp: created_at
label: spend_next_90d
partition: monthly
start: 1997-02
lookahead: 90d
columns: {customer_id: string, created_at: timestamp, spend_next_90d: float64}
*/
-- The rows of customer_labels, with the amount in place of the yes or no.
SELECT
    b.customer_id,
    p.partition_start AS created_at,
    CAST(sum(CASE WHEN b.purchased_at >= p.partition_start THEN b.amount ELSE 0 END) AS double) AS spend_next_90d
FROM asgard.partitions AS p
INNER JOIN gold.purchases AS b ON b.purchased_at < p.partition_start + INTERVAL '90' DAY
WHERE p.partition_start + INTERVAL '90' DAY <= p.watermark
GROUP BY b.customer_id, p.partition_start
HAVING min(b.purchased_at) < p.partition_start
