-- SPDX-License-Identifier: GPL-2.0-or-later

-- name: matrix
-- Which peer AS, behind which next hop, gets how much of the traffic that enters where? (SummingMergeTree adds up in the
-- background: always sum when reading.)
SELECT peer_ip_src, iface_in, peer_ip_dst, peer_as_dst, sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows
FROM flows.matrix_5m
GROUP BY peer_ip_src, iface_in, peer_ip_dst, peer_as_dst
ORDER BY bytes DESC;

-- name: growth
-- How did each peer grow, hour by hour?
SELECT hour, peer_as_dst, sum(bytes) AS bytes FROM flows.peers_1h GROUP BY hour, peer_as_dst ORDER BY hour, bytes DESC;

-- name: collectors
-- Who has sent how much, and how far is each behind?
SELECT writer_id, core_id, max(stamp_updated) AS latest, count() AS rows, sum(bytes) AS bytes
FROM flows.raw FINAL GROUP BY writer_id, core_id ORDER BY writer_id, latest;

-- name: gaps
-- Offsets that never came: retention of the topic was too short, or somebody skipped them. (Compaction, transactions and markers
-- would leave gaps too: none of them is used.)
SELECT topic_partition, previous + 1 AS from_offset, topic_offset - 1 AS to_offset
FROM
(
    SELECT topic_partition, topic_offset,
        lagInFrame(topic_offset, 1, topic_offset - 1) OVER (PARTITION BY topic_partition ORDER BY topic_offset
            ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
    FROM (SELECT DISTINCT topic_partition, topic_offset FROM flows.raw)
)
WHERE topic_offset > previous + 1
ORDER BY topic_partition, from_offset;

-- name: duplicates
-- Messages that came again, by days whose rollups are too high: what `repair` is for. Before merges have dropped them.
SELECT toDate(stamp_inserted) AS day, core_id, instance, worker, seq, rows, uniqExact(topic_partition, topic_offset) AS times
FROM flows.raw
GROUP BY day, core_id, instance, worker, seq, rows
HAVING times > 1
ORDER BY day, core_id, worker, seq, rows;

-- name: excess
-- The same as an amount, for as long as flows.raw keeps the days: what rollups have more than the rows, each counted once.
SELECT day, m.bytes - r.bytes AS bytes_too_many
FROM (SELECT toDate(stamp_inserted) AS day, sum(bytes) AS bytes FROM flows.matrix_5m GROUP BY day) AS m
JOIN (SELECT toDate(stamp_inserted) AS day, sum(bytes) AS bytes FROM flows.raw FINAL GROUP BY day) AS r USING (day)
WHERE m.bytes != r.bytes
ORDER BY day;
