#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""print_startup_delay and its kin put purges off: in a replay by the capture's clock, and live."""
from harness import json_lines, main, wait_for
import exports

START = 1_700_000_040  # a whole minute
SECONDS = 300


def write_pcap(test):
    """A flow of one packet each second, whose source port is its second."""
    flows = [dict(src="10.0.0.1", dst="192.0.2.1", sport=n, bytes=100) for n in range(SECONDS)]
    exports.write_pcap(test.dir / "in.pcap", [(START + n, exports.udp_packet(exports.netflow5([flow], sequence=n, export_time=START + n)))
                                              for n, flow in enumerate(flows)])


def purges(test, delay, workers=1):
    """The seconds that each purge wrote, oldest purge first."""
    out = test.dir / f"d{delay}-{workers}"
    out.mkdir()
    daemon = test.nfacctd(f"daemonize: false\npcap_savefile: {test.dir}/in.pcap\nplugins: print\naggregate: src_port\nprint_refresh_time: 60\n"
                          f"print_startup_delay: {delay}\nnfacctd_workers: {workers}\nprint_output: json\nprint_output_file: {out}/%s\n", name=out.name)
    assert daemon.wait(60) == 0, daemon.output()
    assert "no effect" not in daemon.output(), daemon.output()
    return [sorted(r["port_src"] for r in json_lines(path)) for path in sorted(out.iterdir()) if path.stat().st_size]


def expected(first, length=60):
    bounds = [0, *range(first, SECONDS, length), SECONDS]
    return [list(range(a, b)) for a, b in zip(bounds, bounds[1:])]


def test_purges_come_later_by_the_delay(test):
    write_pcap(test)
    assert purges(test, 0) == expected(60)
    assert purges(test, 20) == expected(80)
    # One that is longer than the time between purges puts the first one off, and the others follow from there.
    assert purges(test, 90) == purges(test, 90, workers=3) == expected(150)


def test_live(test):
    daemon = test.nfacctd(f"plugins: print\naggregate: src_port\nprint_refresh_time: 2\nprint_startup_delay: 1\nprint_output: json\n"
                          f"print_output_file: {test.dir}/out\nprint_output_file_append: true\n")
    for n in (1, 2, 3):
        test.send(exports.netflow5([dict(src="10.0.0.1", dst="192.0.2.1", sport=n)], sequence=n - 1))
        wait_for(lambda: (test.dir / "out").exists() and len(json_lines(test.dir / "out")) == n, f"purge {n}")
    assert daemon.stop() == 0, daemon.output()


if __name__ == "__main__":
    main(globals())
