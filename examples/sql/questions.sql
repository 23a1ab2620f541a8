-- sqlite3 -readonly -header -column /var/lib/pathacct/traffic.db < questions.sql
ATTACH '/var/lib/pathacct/flows.db' AS flows;

-- Peering analyst: which peer AS, behind which next hop, gets how much of the traffic that enters here?
SELECT peer_ip_src AS router, iface_in AS interface, peer_as_dst AS peer_as, peer_ip_dst AS next_hop, sum(bytes) AS bytes,
       round(100.0 * sum(bytes) / sum(sum(bytes)) OVER (PARTITION BY peer_ip_src, iface_in), 1) AS percent
FROM matrix WHERE stamp_inserted >= datetime('now', '-1 day')
GROUP BY router, interface, peer_as, next_hop ORDER BY bytes DESC LIMIT 20;

-- Capacity planner: how did each ingress x egress pair grow, hour by hour? Of the running hour that part counts of which rows are there.
WITH hours AS (
    SELECT stamp_inserted AS hour, peer_ip_src, iface_in, peer_ip_dst, iface_out, sum(bytes) * 8 /
           min(3600, max(60, strftime('%s', (SELECT max(stamp_updated) FROM pairs WHERE stamp_inserted = (SELECT max(stamp_inserted) FROM pairs)))
                             - strftime('%s', stamp_inserted))) AS bits_per_second
    FROM pairs WHERE stamp_inserted >= datetime('now', '-1 day')
    GROUP BY hour, peer_ip_src, iface_in, peer_ip_dst, iface_out)
SELECT hour, peer_ip_src || ' if ' || iface_in AS ingress, peer_ip_dst || ' if ' || iface_out AS egress, bits_per_second,
       round(100.0 * bits_per_second / lag(bits_per_second) OVER (PARTITION BY peer_ip_src, iface_in, peer_ip_dst, iface_out
                                                                  ORDER BY hour) - 100, 1) AS growth_percent
FROM hours ORDER BY ingress, egress, hour;

-- Capacity planner: the 95th percentile of each link and direction, over the last 30 days, or since there are rows. An interval without rows is
-- one of 0 bits; the running one is left out. For a bill put its own times into `period`: '2026-11-01 00:00:00' and '2026-12-01 00:00:00' (UTC).
WITH period AS (
    SELECT datetime(strftime('%s', 'now') / 300 * 300, 'unixepoch') AS until,
           max(min(stamp_inserted), datetime(strftime('%s', 'now') / 300 * 300, 'unixepoch', '-30 days')) AS since FROM links),
sides AS (
    SELECT stamp_inserted, peer_ip_src AS router, iface_in AS link, 'in' AS direction, bytes FROM links
    UNION ALL SELECT stamp_inserted, peer_ip_src, iface_out, 'out', bytes FROM links),
intervals AS (
    SELECT router, link, direction, (strftime('%s', until) - strftime('%s', since)) / 300 AS number, sum(bytes) * 8 / 300 AS bits_per_second
    FROM sides, period WHERE stamp_inserted >= since AND stamp_inserted < until AND link != 0
    GROUP BY router, link, direction, stamp_inserted),
ranks AS (
    SELECT *, row_number() OVER (PARTITION BY router, link, direction ORDER BY bits_per_second DESC) AS place FROM intervals)
-- The highest twentieth of all intervals is free: the one after it counts.
SELECT router, link, direction, max(CASE WHEN place = number / 20 + 1 THEN bits_per_second ELSE 0 END) AS percentile_95,
       max(bits_per_second) AS highest
FROM ranks GROUP BY router, link, direction ORDER BY router, link, direction;

-- Security team: who talked to this address today, and when? The table of the day, such as flows_20261122, for TODAY.
SELECT timestamp_start, timestamp_end, ip_src, port_src, ip_dst, port_dst, ip_proto, packets, bytes
FROM flows.flows_TODAY WHERE ip_dst = '192.168.1.1' ORDER BY timestamp_start, ip_src;

-- Retention: an index range goes from the aggregated tables, a whole table from the daily ones.
-- DELETE FROM matrix WHERE stamp_inserted < datetime('now', '-90 days');
-- DROP TABLE flows.flows_20260101;
