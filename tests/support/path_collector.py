# SPDX-License-Identifier: GPL-2.0-or-later
"""A collector with BGP, a scripted speaker that announces one prefix to it, and flows to that, which tell when they were and which next
hop they took."""
import socket
import time

from harness import free_port, json_lines, wait_for
import exports
from bgp_speaker import Speaker, add_path_send, attributes, four_octet_as, multiprotocol, prefix, update

PEER = "127.0.0.21"
PREFIX = "203.0.113.0/24"
ADD_PATH = multiprotocol(1, 1) + add_path_send((1, 1)) + four_octet_as(65000)
END_OF_RIB = update()
NONE = "0.0.0.0"


class Collector:
    def __init__(self, test, more="", capabilities=ADD_PATH, name="nfacctd", router_id=PEER):
        self.test, self.capabilities, self.name, self.router_id, self.streams = test, capabilities, name, router_id, {}
        self.out = test.dir / f"{name}.json"
        self.bgp_port = free_port(socket.SOCK_STREAM)
        self.daemon = test.nfacctd(f"""
bgp_daemon: true
bgp_daemon_ip: 127.0.0.1
bgp_daemon_port: {self.bgp_port}
nfacctd_as: bgp
nfacctd_net: bgp
plugins: print[p]
aggregate[p]: peer_src_ip, dst_host, dst_port, peer_dst_ip, as_path, path_match, timestamp_start
print_output[p]: json
print_output_file[p]: {self.out}
print_output_file_append[p]: true
print_refresh_time[p]: 1
{more}
""", name=name)
        self.speaker = self.connect()

    def connect(self):
        return Speaker(self.test, self.bgp_port, address=PEER, router_id=self.router_id, capabilities=self.capabilities).establish()

    def announce(self, *paths, speaker=None):
        """Paths are (path id, next hop, AS path), with a prefix behind if it is another one; then End-of-RIB."""
        for path_id, next_hop, as_path, *network in paths:
            (speaker or self.speaker).send(update(attributes(as_path, next_hop), prefix((*network, PREFIX)[0], path_id)))
        (speaker or self.speaker).send(END_OF_RIB)

    def statistics(self):
        """What stats_file says now."""
        return self.test.now(self.daemon, self.name)

    def wait_paths(self, count):
        self.test.wait_now(self.daemon, lambda stats: stats["bgp"]["rib_paths"] == count, f"{count} paths", self.name)

    def send(self, port, next_hop, ago_s, clock_s=0, source=PEER, lasted_s=1, destination="203.0.113.9", domain=1):
        """A flow that ended so long ago; the exporter's clock is `clock_s` behind. A next hop of NONE is none."""
        now = time.time() - clock_s
        stream = self.streams.setdefault((source, clock_s, domain), exports.Ipfix(domain=domain))
        flow = exports.common_flow("172.16.0.1", destination, next_hop, dport=port, start_ms=int((now - ago_s - lasted_s) * 1000),
                                   end_ms=int((now - ago_s) * 1000))
        self.test.send(stream.announce(export_time=now), source=source)
        self.test.send(stream.data([flow], export_time=now), source=source)

    def wait_row(self, port):
        return wait_for(lambda: self.row(port), f"a record of the flow to port {port}")

    def flow(self, port, *args, **kwargs):
        """The record of a flow that is sent so."""
        self.send(port, *args, **kwargs)
        return self.wait_row(port)

    def row(self, port):
        """What was written of the flow to that port; None: nothing yet."""
        return next((r for r in json_lines(self.out) if r.get("port_dst") == port), None) if self.out.exists() else None

    def path(self, *args, **kwargs):
        got = self.flow(*args, **kwargs)
        return got["path_match"], got["as_path"]

    def path_of(self, port):
        """The same of a flow that was sent before."""
        got = self.wait_row(port)
        return got["path_match"], got["as_path"]
