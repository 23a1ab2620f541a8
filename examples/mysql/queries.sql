-- Times are UTC (timestamps_utc).

-- Traffic by neighbour AS, in Mbit/s of each hour of the last day. Of the running hour that part counts of which rows are there.
SELECT stamp_inserted, peer_as_dst, ROUND(SUM(bytes) * 8 / 1e6 / LEAST(3600, GREATEST(60, TIMESTAMPDIFF(SECOND, stamp_inserted,
           (SELECT MAX(stamp_updated) FROM hourly WHERE stamp_inserted >= UTC_TIMESTAMP() - INTERVAL 1 DAY)))), 1) AS mbit_s
FROM hourly
WHERE stamp_inserted >= UTC_TIMESTAMP() - INTERVAL 1 DAY
GROUP BY stamp_inserted, peer_as_dst
ORDER BY stamp_inserted, mbit_s DESC;

-- How sure the paths are: the share of bytes by path_match.
SELECT path_match, ROUND(100 * SUM(bytes) / SUM(SUM(bytes)) OVER (), 2) AS percent
FROM hourly
WHERE stamp_inserted >= UTC_TIMESTAMP() - INTERVAL 7 DAY
GROUP BY path_match
ORDER BY percent DESC;

-- Who talked most to one address in the last hour.
SELECT ip_src, ip_proto, port_dst, SUM(bytes) AS bytes, SUM(packets) AS packets, SUM(flows) AS flows
FROM flows
WHERE stamp_inserted >= UTC_TIMESTAMP() - INTERVAL 1 HOUR AND ip_dst = '192.0.2.1'
GROUP BY ip_src, ip_proto, port_dst
ORDER BY bytes DESC
LIMIT 20;
