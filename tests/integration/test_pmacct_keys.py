#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No key that pmacct (1.7.7 and 1.8.1) documents is unknown here: each is honoured, accepted without effect, or refused
with a reason and a remedy. tests/data/pmacct_keys.txt holds their names."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["SOURCE_DIR"])
NFACCTD = BUILD / "sbin/nfacctd"
KEYS = (SOURCE / "tests/data/pmacct_keys.txt").read_text().split()


def nfacctd(*args):
    return subprocess.run([NFACCTD, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class PmacctKeys(unittest.TestCase):
    def test_every_key_is_claimed_or_has_a_reason(self):
        listed = json.loads(nfacctd("--keys=json").stdout)
        known = {key["name"] for key in listed["unsupported"]}
        for key in listed["keys"]:
            known |= {key["name"], *(key["aliases"] or "").split("|")}
        self.assertEqual(sorted(set(KEYS) - known), [])

    def check(self, *lines):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            print(*lines, sep="\n", file=config, flush=True)
            return nfacctd("-f", config.name, "--check")

    def test_no_key_of_theirs_is_called_unknown_and_all_are_reported_at_once(self):
        switches = ("bmp_daemon", "isis_daemon", "telemetry_daemon", "bgp_daemon", "bgp_daemon_lg", "bgp_daemon_ha")
        lines = [f"{key}: true" if key in switches else f"{key}: no value of any type" for key in KEYS if key != "plugins"]
        result = self.check("plugins: print[a]", *lines, "nfaccttd_port: 2100")
        self.assertEqual(result.returncode, 1)
        unknown = [line for line in result.stderr.splitlines() if "unknown key" in line]
        self.assertEqual(len(unknown), 1, unknown)
        self.assertIn("did you mean nfacctd_port?", unknown[0])
        self.assertGreater(len([line for line in result.stderr.splitlines() if "not supported" in line]), 150)

    def test_keys_of_what_is_not_configured_have_no_effect_and_one_notice(self):
        foreign = ("interface: eth0", "snaplen: 128", "pcap_filter: ip", "promisc: true", "classifier_tentatives: 5", "sampling_rate: 10",
                   "pmacctd_flow_lifetime: 30", "nfprobe_receiver: 192.0.2.1:2100", "tee_receivers: /etc/pmacct/tee.lst",
                   "amqp_exchange: x", "nfprobe_x: 1", "kafka_topic: flows", "bmp_daemon_ha: true", "bmp_daemon_ha_cluster_id: 1",
                   "telemetry_daemon_port_tcp: 1620", "bgp_daemon_msglog_label_filter: x", "redis_host: 127.0.0.1:6379", "cluster_id: 1")
        result = self.check("plugins: print[a]", "aggregate: src_host", "nfacctd_port: 2100", "print_output_file: /dev/null", *foreign)
        self.assertEqual(result.returncode, 0, result.stderr)
        notices = [line for line in result.stderr.splitlines() if "have no effect here" in line]
        self.assertEqual(len(notices), 1, result.stderr)
        for line in foreign:
            self.assertIn(line.split(":")[0] + " (", notices[0])

    def test_black_holes_are_a_notice_until_they_are_to_be_written(self):
        lines = ("plugins: print[a]", "aggregate: src_host", "nfacctd_port: 2100", "print_output_file: /dev/null", "bgp_daemon: true",
                 "bgp_blackhole_stdcomm_list: 65535:666", "bgp_daemon_rp_ebpf_prog: /x")
        result = self.check(*lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("bgp_blackhole_stdcomm_list (", result.stderr)
        for key in ("msglog_file", "msglog_kafka_topic", "msglog_amqp_routing_key", "dump_file", "dump_kafka_topic"):
            result = self.check(*lines, f"bgp_blackhole_{key}: x")
            self.assertEqual(result.returncode, 1)
            self.assertIn("the log and the table of black-holed routes are not written out yet", result.stderr)

    def test_a_missing_plugin_is_one_error_whatever_keys_it_has(self):
        for plugin, keys in (("sfprobe", ("sfprobe_receiver", "sfprobe_agentip", "pre_tag_map")),
                             ("mongodb", ("mongo_host", "mongo_table")),
                             ("nfprobe", ("nfprobe_receiver", "nfprobe_version"))):
            result = self.check(f"plugins: {plugin}[a], print[b]", "aggregate: src_host", "nfacctd_port: 2100", "print_output_file[b]: /dev/null",
                                *(f"{key}[a]: 1" for key in keys))
            self.assertEqual(result.returncode, 1, plugin)
            errors = [line for line in result.stderr.splitlines() if not line.startswith(("warning", "notice"))]
            self.assertEqual(len(errors), 1, result.stderr)
            self.assertIn(f"no plugin '{plugin}'", errors[0])

    def test_names_of_other_daemons_are_aliases(self):
        for line in ("pmacctd_as: longest", "uacctd_net: longest", "pmacctd_renormalize: true", "uacctd_stitching: true", "nfacctd_proc_name: x",
                     "sfacctd_as_new: longest", "pmacctd_pipe_size: 1000000", "pmacctd_time_new: true"):
            result = self.check("plugins: print[a]", "aggregate: src_host", "nfacctd_port: 2100", "print_output_file: /dev/null", line)
            self.assertEqual((result.returncode, "no effect" in result.stderr), (0, False), result.stderr)
        listed = json.loads(nfacctd("--keys=json").stdout)["keys"]
        self.assertIn("pmacctd_as", next(key["aliases"] for key in listed if key["name"] == "nfacctd_as"))

    def test_an_empty_value_is_not_set(self):
        result = self.check("plugins: print[a]", "aggregate: src_host", "nfacctd_port: 2100", "print_output_file: /dev/null", "nfacctd_ip:",
                            "pre_tag_map:", "print_history:", "bgp_daemon:")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_errors_say_which_switch_passes_over_them(self):
        lines = ("plugins: print[a]", "aggregate: src_host", "nfacctd_port: 2100", "print_output_file: /dev/null", "no_such_key: 1",
                 "print_history: soon", "print_output[nobody]: csv")
        result = self.check(*lines)
        self.assertEqual(result.returncode, 1)
        self.assertIn("strict_config: false", result.stderr.splitlines()[-1])
        result = self.check(*lines, "strict_config: false")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count("the line is left out"), 3, result.stderr)

    def test_no_suggestion_leads_to_a_refused_key(self):
        for key in ("isis_demon", "geoip_ipv4_fil"):
            result = self.check("plugins: print[a]", "aggregate: src_host", f"{key}: 1")
            self.assertNotRegex(result.stderr, "did you mean (isis_daemon|geoip_ipv4_file)[?]")


if __name__ == "__main__":
    if not NFACCTD.exists():
        sys.exit("nfacctd was not built")
    unittest.main()
