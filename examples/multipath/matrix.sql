SELECT peer_ip_src AS ingress, iface_in AS interface, peer_ip_dst AS next_hop, peer_as_dst AS peer_as, as_path, path_match,
       sum(bytes) AS bytes, round(100.0 * sum(bytes) / sum(sum(bytes)) OVER (), 1) AS percent
FROM matrix
GROUP BY ingress, interface, next_hop, peer_as, as_path, path_match
ORDER BY bytes DESC, interface, next_hop;
