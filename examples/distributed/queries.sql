-- SPDX-License-Identifier: GPL-2.0-or-later

-- name: matrix
-- Which peer AS, behind which next hop, gets how much of the traffic that enters where? (SummingMergeTree adds up in the
-- background: always sum when reading.)
SELECT peer_ip_src, iface_in, peer_ip_dst, peer_as_dst, sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows
FROM flows.matrix_5m
GROUP BY peer_ip_src, iface_in, peer_ip_dst, peer_as_dst
ORDER BY bytes DESC;

-- name: growth
-- How did each peer grow, hour by hour? Of the running hour that part counts of which rows are there.
SELECT hour, peer_as_dst, sum(p.bytes) AS bytes,
    intDiv(sum(p.bytes) * 8, least(3600, greatest(60, dateDiff('second', hour, (SELECT max(stamp_updated) FROM flows.raw))))) AS bits_per_second
FROM flows.peers_1h AS p GROUP BY hour, peer_as_dst ORDER BY hour, bytes DESC;

-- name: percentiles
-- How full is each link, each way: the 95th percentile of the last 30 days, or since there are rows? An interval without rows is one
-- of 0 bits, the running one is left out. For a bill write its own times into `period`: toDateTime('2026-11-01 00:00:00', 'UTC').
WITH
    period AS
    (
        SELECT greatest(toDateTime(intDiv(toUnixTimestamp(now()), 300) * 300 - 30 * 86400, 'UTC'), min(stamp_inserted)) AS since,
            toDateTime(intDiv(toUnixTimestamp(now()), 300) * 300, 'UTC') AS until
        FROM flows.matrix_5m
    ),
    sides AS
    (
        SELECT stamp_inserted, peer_ip_src AS router, iface_in AS link, 'in' AS direction, bytes FROM flows.matrix_5m
        UNION ALL
        SELECT stamp_inserted, peer_ip_src AS router, iface_out AS link, 'out' AS direction, bytes FROM flows.matrix_5m
    ),
    intervals AS
    (
        SELECT router, link, direction, stamp_inserted, intDiv(sum(bytes) * 8, 300) AS bits_per_second
        FROM sides
        WHERE stamp_inserted >= (SELECT since FROM period) AND stamp_inserted < (SELECT until FROM period) AND link != 0
        GROUP BY router, link, direction, stamp_inserted
    ),
    ranks AS
    (
        SELECT router, link, direction, bits_per_second,
            row_number() OVER (PARTITION BY router, link, direction ORDER BY bits_per_second DESC) AS place,
            (SELECT intDiv(toUnixTimestamp(until) - toUnixTimestamp(since), 300) FROM period) AS number
        FROM intervals
    )
-- The highest twentieth of all intervals is free: the one after it counts.
SELECT router, link, direction, max(CASE WHEN place = intDiv(number, 20) + 1 THEN bits_per_second ELSE 0 END) AS percentile_95,
    max(bits_per_second) AS highest
FROM ranks
GROUP BY router, link, direction
ORDER BY router, link, direction;

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
