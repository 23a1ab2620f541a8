# SPDX-License-Identifier: GPL-2.0-or-later
"""The same work as a configuration for pathacct and for pmacct."""
import dataclasses

MATRIX = "peer_src_ip, in_iface, peer_dst_ip, peer_dst_as, dst_as"
TUPLE = "src_host, dst_host, src_port, dst_port, proto"
DUMP = TUPLE + ", tcpflags, timestamp_start, timestamp_end"
EXPORTERS = 64  # 127.0.2.1 to 127.0.2.64: flowgen's
FEEDER = "127.0.2.1"


@dataclasses.dataclass(frozen=True)
class Instance:
    """One configured plugin. `view` names the truth that its output is checked against; `more` are further keys of it, with
    {folder} for the folder of the run."""
    aggregate: str
    view: str
    form: str = "csv"
    name: str = "out"
    plugin: str = "print"
    is_dump: bool = False
    more: tuple = ()

    def lines(self, product, folder, rows):
        if self.aggregate:
            yield f"aggregate[{self.name}]: {self.aggregate}"
        if self.plugin == "print":
            yield f"print_output[{self.name}]: {self.form}"
            yield f"print_output_file[{self.name}]: {folder}/{self.name}.{self.form}"
            yield f"print_output_file_append[{self.name}]: true"
            yield f"print_refresh_time[{self.name}]: 3600"
        if self.is_dump and product == "pathacct":
            yield f"unaggregated[{self.name}]: true"
        if product == "pmacct":
            # pmacct gets buffers so large that it loses nothing; its own defaults lose flows at these rates.
            yield f"plugin_pipe_size[{self.name}]: 1024000000"
            if self.plugin != "tee":  # what is in a buffer that is not full would wait there
                yield f"plugin_buffer_size[{self.name}]: 102400"
            if self.plugin == "print":
                yield f"print_cache_entries[{self.name}]: {max(16411, min(2 * rows, 1000003))}"
        for line in self.more:
            yield line.format(folder=folder)


@dataclasses.dataclass(frozen=True)
class Rib:
    """The table that bgpfeed announces to the daemon before there are flows."""
    prefixes: int = 1000000
    paths: int = 4
    peers: int = 1
    churn: int = 0  # UPDATE messages a second after the table, each with 8 prefixes

    def text(self):
        peers = f"{self.peers} peers x " if self.peers > 1 else ""
        return f"{peers}{self.prefixes:,} prefixes x {self.paths} paths" + (f", then {self.churn:,} updates/s" if self.churn else "")


def configuration(product, folder, instances, capture=None, rib=None, bgp_port=0, workers=1, udp_port=0, pcap=None, more=()):
    """Writes nfacctd.conf (and a map) to `folder`; its path. `capture` says how many rows there will be, `pcap` what to read
    instead of listening."""
    lines = ["daemonize: false", "timestamps_utc: true", "plugins: " + ", ".join(f"{i.plugin}[{i.name}]" for i in instances)]
    for instance in instances:
        lines += instance.lines(product, folder, capture.view(instance.view)["rows"] if capture else 1)
    if pcap:
        lines.append(f"pcap_savefile: {pcap}")
    else:
        lines += ["nfacctd_ip: 127.0.0.1", f"nfacctd_port: {udp_port}", f"nfacctd_pipe_size: {64 << 20}"]
    if product == "pathacct":
        lines += [f"nfacctd_workers: {workers}", f"stats_file: {folder}/stats.json"]
        served = [i.name for i in instances if i.plugin in ("amqp", "kafka", "mysql", "pgsql", "sqlite3")]
        # lib/purge.py reads the lines that pmacct always writes; the last purge may take as long as it likes.
        lines += [f"log_purges[{name}]: true" for name in served] + ["shutdown_timeout: 600"] * bool(served)
    if rib:
        # All exporters of the generator are clients of the one feeder, as of a route reflector.
        agents = folder / "agents.map"
        agents.write_text("".join(f"bgp_ip={FEEDER} ip=127.0.2.{n}\n" for n in range(1, EXPORTERS + 1)))
        lines += ["bgp_daemon: true", "bgp_daemon_ip: 127.0.0.1", f"bgp_daemon_port: {bgp_port}", "bgp_daemon_max_peers: 100",
                  f"bgp_agent_map: {agents}", "nfacctd_as: bgp", "nfacctd_net: bgp"]
        if product == "pathacct":
            lines.append("bgp_wait_for_rib: 600")
            if pcap:
                lines.append("pcap_savefile_delay: 1")  # idle in between, so that loading and flows are told apart
    lines += more
    path = folder / "nfacctd.conf"
    path.write_text("\n".join(lines) + "\n")
    return path
