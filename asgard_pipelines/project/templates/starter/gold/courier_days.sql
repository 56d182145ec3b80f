/* asgard:
description: Each courier's record at the first instant of a day, from the deliveries before it.
owner: team:logistics
entity: courier_id
timestamp: day
partition: daily
start: "2026-01-02"
columns:
  courier_id: string
  deliveries: int64
  late_share: float64
  late_share_14d: float64
  avg_distance_km: float64
  day: timestamp
*/
-- asgard.partitions has one row per partition to build: partition_start, partition_end, watermark.
SELECT
    d.courier_id,
    count(*) AS deliveries,
    CAST(count_if(d.late) AS double) / CAST(count(*) AS double) AS late_share,
    CAST(count_if(d.late AND d.ordered_at >= p.partition_start - INTERVAL '14' DAY) AS double)
    / CAST(nullif(count_if(d.ordered_at >= p.partition_start - INTERVAL '14' DAY), 0) AS double) AS late_share_14d,
    avg(d.distance_km) AS avg_distance_km,
    p.partition_start AS day
FROM asgard.partitions AS p
INNER JOIN gold.deliveries AS d ON d.ordered_at < p.partition_start
GROUP BY d.courier_id, p.partition_start
