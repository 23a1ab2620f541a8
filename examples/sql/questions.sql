-- sqlite3 -readonly -header -column /var/lib/pathacct/traffic.db < questions.sql
ATTACH '/var/lib/pathacct/flows.db' AS flows;

-- Peering analyst: which peer AS, behind which next hop, gets how much of the traffic that enters here?
SELECT peer_ip_src AS router, iface_in AS interface, peer_as_dst AS peer_as, peer_ip_dst AS next_hop, sum(bytes) AS bytes,
       round(100.0 * sum(bytes) / sum(sum(bytes)) OVER (PARTITION BY peer_ip_src, iface_in), 1) AS percent
FROM matrix WHERE stamp_inserted >= datetime('now', '-1 day')
GROUP BY router, interface, peer_as, next_hop ORDER BY bytes DESC LIMIT 20;

-- Capacity planner: how did each ingress x egress pair grow, hour by hour?
SELECT stamp_inserted AS hour, peer_ip_src || ' if ' || iface_in AS ingress, peer_ip_dst || ' if ' || iface_out AS egress,
       sum(bytes) * 8 / 3600 AS bits_per_second,
       round(100.0 * sum(bytes) / lag(sum(bytes)) OVER (PARTITION BY peer_ip_src, iface_in, peer_ip_dst, iface_out
                                                        ORDER BY stamp_inserted) - 100, 1) AS growth_percent
FROM pairs WHERE stamp_inserted >= datetime('now', '-1 day')
GROUP BY hour, peer_ip_src, iface_in, peer_ip_dst, iface_out ORDER BY ingress, egress, hour;

-- Security team: who talked to this address today, and when? The table of the day, such as flows_20261122, for TODAY.
SELECT timestamp_start, timestamp_end, ip_src, port_src, ip_dst, port_dst, ip_proto, packets, bytes
FROM flows.flows_TODAY WHERE ip_dst = '192.168.1.1' ORDER BY timestamp_start, ip_src;

-- Retention: an index range goes from the aggregated tables, a whole table from the daily ones.
-- DELETE FROM matrix WHERE stamp_inserted < datetime('now', '-90 days');
-- DROP TABLE flows.flows_20260101;
