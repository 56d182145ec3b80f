/* asgard:
description: What is known about each customer at the first instant of a month, from the purchases before it.
owner: team:customers
tags: {domain: customers}
entity: customer_id
timestamp: created_at
partition: monthly
start: 1997-02
columns:
  customer_id: string
  total_orders: int64
  total_spent: float64
  avg_order_value: float64
  days_since_last_order: int64
  days_since_first_order: int64
  total_quantity: int64
  orders_last_90d: int64
  spent_last_90d: float64
  created_at: timestamp
*/
-- One row per customer who has bought before the partition's first instant. Amounts are summed as decimals
-- and become doubles at the end, so that the order of the rows cannot change a sum.
SELECT
    b.customer_id,
    count(*) AS total_orders,
    CAST(sum(b.amount) AS double) AS total_spent,
    CAST(sum(b.amount) AS double) / CAST(count(*) AS double) AS avg_order_value,
    date_diff('day', max(b.purchased_at), p.partition_start) AS days_since_last_order,
    date_diff('day', min(b.purchased_at), p.partition_start) AS days_since_first_order,
    CAST(sum(b.quantity) AS bigint) AS total_quantity,
    count_if(b.purchased_at >= p.partition_start - INTERVAL '90' DAY) AS orders_last_90d,
    CAST(
        sum(CASE WHEN b.purchased_at >= p.partition_start - INTERVAL '90' DAY THEN b.amount ELSE 0 END) AS double
    ) AS spent_last_90d,
    p.partition_start AS created_at
FROM asgard.partitions AS p
INNER JOIN gold.purchases AS b ON b.purchased_at < p.partition_start
GROUP BY b.customer_id, p.partition_start
