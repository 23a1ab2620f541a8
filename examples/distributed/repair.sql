-- SPDX-License-Identifier: GPL-2.0-or-later
-- Makes the rollup of one day anew out of the rows, each once. {day} is a date whose rows are all still in flows.raw.
ALTER TABLE flows.matrix_5m DELETE WHERE toDate(stamp_inserted) = '{day}' SETTINGS mutations_sync = 1;

INSERT INTO flows.matrix_5m
SELECT stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst, sum(flows), sum(packets), sum(bytes)
FROM flows.raw FINAL
WHERE toDate(stamp_inserted) = '{day}'
GROUP BY stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst;
