-- The peering analyst: which peer AS, behind which next hop, got how much of what entered at which router, this week?
SELECT peer_ip_src AS router, peer_as_dst AS peer_as, peer_ip_dst AS next_hop, sum(bytes) AS bytes,
       round(100 * sum(bytes) / sum(sum(bytes)) OVER (), 1) AS percent
FROM hourly
WHERE stamp_inserted >= now() - interval '7 days' AND path_match IN ('exact', 'historic', 'ambiguous', 'single', 'sole')
GROUP BY 1, 2, 3 ORDER BY bytes DESC LIMIT 20;

-- The capacity planner: how did each ingress x egress pair grow, week by week, in its busiest hour (Mbit/s)?
SELECT date_trunc('week', hour)::date AS week, ingress, egress, round(max(bits_per_second) / 1e6, 1) AS busiest_mbit_s
FROM (SELECT stamp_inserted AS hour, host(peer_ip_src) || ' if ' || iface_in AS ingress, host(peer_ip_dst) || ' if ' || iface_out AS egress,
             sum(bits_per_second) AS bits_per_second
      FROM hourly_rates WHERE stamp_inserted >= now() - interval '26 weeks' GROUP BY 1, 2, 3) h
GROUP BY 1, 2, 3 ORDER BY 2, 3, 1;

-- ... and how full is each link, each way: the 95th percentile of the last 30 days? For a bill write its own times, such as '2026-11-01Z'.
SELECT router, link, direction, round(percentile_95 / 1e6, 1) AS percentile_95_mbit_s, round(highest / 1e6, 1) AS highest_mbit_s
FROM link_percentiles(now() - interval '30 days', now());

-- The security team: who tried most destinations with nothing but SYN in the last hour?
SELECT ip_src, count(DISTINCT ip_dst) AS destinations, count(DISTINCT port_dst) AS ports, sum(packets) AS packets
FROM flows
WHERE stamp_inserted >= now() - interval '1 hour' AND ip_proto = 6 AND tcp_flags = 2
GROUP BY 1 ORDER BY destinations DESC LIMIT 20;

-- How far is that to be trusted? What part of the traffic has which verdict, today.
SELECT path_match, round(100 * sum(bytes) / sum(sum(bytes)) OVER (), 2) AS percent
FROM hourly WHERE stamp_inserted >= date_trunc('day', now()) GROUP BY 1 ORDER BY percent DESC;
