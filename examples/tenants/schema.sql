-- SPDX-License-Identifier: GPL-2.0-or-later
-- sqlite3 /var/lib/pathacct/tenants.db < schema.sql, once sfacctd has made its tables.

-- Who is who: fill these in.
CREATE TABLE IF NOT EXISTS tenants (vni INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS gateways (vtep TEXT PRIMARY KEY); -- VTEPs through which traffic leaves the overlay

-- A packet is sampled wherever it passes: at the VTEP that wraps it, on spines, at the VTEP that unwraps it. It is
-- metered once, where it was wrapped: there the exporter is the tunnel's source. For switches that sample only
-- what they receive, compare with tunnel_ip_dst instead.
-- An sFlow byte is one of the frame on the wire: 50 of each are the tunnel's (70 over IPv6), and not the tenant's.
DROP VIEW IF EXISTS metered;
CREATE VIEW metered AS
SELECT stamp_inserted, vxlan AS vni, packets,
       bytes - packets * CASE WHEN tunnel_ip_src LIKE '%:%' THEN 70 ELSE 50 END AS bytes,
       CASE WHEN tunnel_ip_dst IN (SELECT vtep FROM gateways) THEN 'out'
            WHEN tunnel_ip_src IN (SELECT vtep FROM gateways) THEN 'in'
            ELSE 'inside' END AS direction
FROM overlay WHERE vxlan > 0 AND peer_ip_src = tunnel_ip_src;

DROP VIEW IF EXISTS bill;
CREATE VIEW bill AS
SELECT substr(stamp_inserted, 1, 7) AS month, coalesce(name, 'VNI ' || vni) AS tenant,
       coalesce(sum(bytes) FILTER (WHERE direction = 'out'), 0) AS bytes_out,
       coalesce(sum(bytes) FILTER (WHERE direction = 'in'), 0) AS bytes_in,
       coalesce(sum(bytes) FILTER (WHERE direction = 'inside'), 0) AS bytes_inside
FROM metered LEFT JOIN tenants USING (vni) GROUP BY month, vni;

-- The rate that 95 % of the hours of a month stayed below, in bits a second: out and in together.
DROP VIEW IF EXISTS percentile95;
CREATE VIEW percentile95 AS
WITH hours AS (
    SELECT substr(stamp_inserted, 1, 7) AS month, vni, stamp_inserted, sum(bytes) * 8.0 / 3600 AS rate
    FROM metered WHERE direction <> 'inside' GROUP BY vni, stamp_inserted),
ranked AS (
    SELECT month, vni, rate, row_number() OVER (PARTITION BY month, vni ORDER BY rate) AS place,
           count(*) OVER (PARTITION BY month, vni) AS hours FROM hours)
SELECT month, coalesce(name, 'VNI ' || vni) AS tenant, rate AS bits_per_second
FROM ranked LEFT JOIN tenants USING (vni) WHERE place = (95 * hours + 99) / 100;
