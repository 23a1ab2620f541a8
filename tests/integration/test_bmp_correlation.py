#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows are tied to what their routers tell by BMP: peers and a Loc-RIB of a scripted router, beside BGP and after it is lost."""
import socket

from harness import free_port, json_lines, main, wait_for
from bgp_speaker import Speaker, add_path_send, attributes, four_octet_as, multiprotocol, prefix, update
from bmp_speaker import LOC_RIB, POST_POLICY, Router, initiation, monitoring, peer_header, peer_up, route
import exports

ROUTER = "127.0.0.31"  # of bmp_speaker.Router
NET = "198.51.100.0/24"


def start(test, more="", bgp=False):
    test.bmp, test.bgp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    speaker = f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {test.bgp}\n" if bgp else ""
    return test.nfacctd(f"""{speaker}bmp_daemon: true
bmp_daemon_ip: 127.0.0.1
bmp_daemon_port: {test.bmp}
plugins: print[a]
aggregate[a]: dst_port, dst_as, peer_dst_as, peer_dst_ip, as_path, path_match, path_source
print_output[a]: json
print_output_file[a]: {test.dir}/out.json
print_output_file_append[a]: true
print_refresh_time[a]: 1
nfacctd_as: bmp
nfacctd_net: bmp
{more}""")


class Exporter:
    """Flows to NET, each with a port of its own."""

    def __init__(self, test, source=ROUTER):
        self.test, self.source, self.stream, self.port = test, source, exports.Ipfix(), 1000 + 100 * int(source.split(".")[3])

    def flow(self, next_hop=None):
        """What is written of a flow with that next hop."""
        self.port += 1
        self.test.send(self.stream.announce(), self.stream.data(
            [exports.common_flow("203.0.113.1", "198.51.100.1", next_hop or "0.0.0.0", dport=self.port)]), source=self.source)
        port = self.port
        found = []

        def is_there():
            found[:] = [row for row in json_lines(self.test.dir / "out.json") if row["port_dst"] == port]
            return found
        wait_for(is_there, f"a row of the flow to port {port}")
        (row,) = found
        return row["path_match"], row["path_source"], row["as_path"], row["peer_as_dst"]


def announced(test, daemon, count):
    return test.wait_now(daemon, lambda stats: stats["bmp"]["announced"] == count, f"{count} routes by BMP")


def post(address, asn):
    return peer_header(address, asn, flags=POST_POLICY)


LOC = dict(header=peer_header(kind=LOC_RIB, asn=65000))


def test_peers_and_a_loc_rib(test):
    daemon = start(test)
    router = Router(test, test.bmp)
    router.send(initiation(), peer_up(), peer_up(peer="192.0.2.2", asn=65002),
                route(NET, header=post("192.0.2.1", 65001)), monitoring(update(), post("192.0.2.1", 65001)),
                route(NET, "192.0.2.2", (65002, 65009), post("192.0.2.2", 65002)), monitoring(update(), post("192.0.2.2", 65002)))
    announced(test, daemon, 2)
    exporter = Exporter(test)
    assert exporter.flow("192.0.2.1") == ("exact", "bmp_post", "65001", 65001)
    assert exporter.flow("192.0.2.2") == ("exact", "bmp_post", "65002_65009", 65002)
    assert exporter.flow("192.0.2.9")[0] == "unmatched"
    assert exporter.flow()[0] == "best"
    # The router says which of them it uses.
    router.send(peer_up(peer_header(kind=LOC_RIB, asn=65000), asn=65000, peer="10.255.0.1"),
                route(NET, "192.0.2.2", (65002, 65009), **LOC), monitoring(update(), LOC["header"]))
    announced(test, daemon, 3)
    assert exporter.flow() == ("single", "bmp_loc", "65002_65009", 65002)
    assert exporter.flow("192.0.2.2") == ("exact", "bmp_loc", "65002_65009", 65002)
    assert exporter.flow("192.0.2.1") == ("exact", "bmp_post", "65001", 65001)
    assert Exporter(test, "127.0.0.32").flow("192.0.2.1")[0] == "no_rib", "another router's flows"
    assert daemon.stop() == 0, daemon.output()


def test_bmp_agent_map_and_routes_before_policy(test):
    rows = test.write("agents", f"bmp_ip={ROUTER} ip=127.0.0.32\n")
    daemon = start(test, f"bmp_agent_map: {rows}\n")
    Router(test, test.bmp).send(initiation(), peer_up(), route(NET), monitoring(update()))
    announced(test, daemon, 1)
    assert Exporter(test, "127.0.0.32").flow("192.0.2.1") == ("exact", "bmp_pre", "65001", 65001)
    assert daemon.stop() == 0, daemon.output()


def test_bgp_and_bmp_of_one_router(test):
    """BGP with ADD-PATH decides where it has the next hop; when both are lost, what they told is kept."""
    daemon = start(test, bgp=True)
    capabilities = multiprotocol(1, 1) + four_octet_as(65000) + add_path_send((1, 1))
    speaker = Speaker(test, test.bgp, ROUTER, capabilities=capabilities).establish()
    speaker.send(update(attributes(path=(64496,), next_hop="192.0.2.77"), prefix(NET, path_id=1)), update())
    router = Router(test, test.bmp)
    router.send(initiation(), peer_up(), route(NET, header=post("192.0.2.1", 65001)), monitoring(update(), post("192.0.2.1", 65001)))
    announced(test, daemon, 1)
    test.wait_now(daemon, lambda stats: stats["bgp"]["rib_paths"] == 2, "both paths")
    exporter = Exporter(test)
    for _ in range(2):
        assert exporter.flow("192.0.2.77") == ("exact", "bgp", "64496", 64496)
        assert exporter.flow("192.0.2.1") == ("exact", "bmp_post", "65001", 65001)
        assert exporter.flow() == ("sole", "bmp_post", "65001", 65001)
        for connection in (speaker, router):
            connection.socket.close()
        test.wait_now(daemon, lambda stats: stats["bmp"]["routers"] == 0, "the loss of the router")
        daemon.wait_log("peer 127.0.0.31 AS 65000 down")
    assert daemon.stop() == 0, daemon.output()


if __name__ == "__main__":
    main(globals())
