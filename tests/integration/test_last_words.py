#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what the log says of the end: whom it waits for, what was lost and why, data without a template; and that it says of a
signal what really happened."""
import os
import signal
import sys

from harness import main, wait_for
import exports

PRINT = "plugins: print[a]\naggregate: src_host\nprint_output: json\nprint_refresh_time: 1\n"


def one_flow():
    stream = exports.Ipfix()
    return stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.168.1.1", "10.0.0.9", octets=700)])


def test_the_end_says_whom_it_waits_for_and_what_is_lost(test):
    os.mkfifo(test.dir / "pipe")
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/pipe\nshutdown_timeout: 6\n")
    test.send(*one_flow())
    daemon.wait_log("cannot write")
    assert daemon.stop() == 1, daemon.output()
    said = daemon.output()
    assert "plugin print[a]: the end waits for it, 3 s more at most (shutdown_timeout): 1 flows are not written yet; " \
           "the backend does not take them now" in said, said
    assert "some flows were lost: plugin print[a]: 1 flows, 700 bytes: the backend did not take it within shutdown_timeout (shutdown); " \
           "raise shutdown_timeout, or set plugin_spool_dir" in said, said


def test_data_that_waits_for_its_template_at_the_end_is_counted(test):
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/out.json\n")
    announce, data = one_flow()
    test.send(data, data, data)
    test.wait_now(daemon, lambda stats: stats["exporters"] and stats["exporters"][0]["pending_sets"] == 3, "the sets")
    assert daemon.stop() == 0, daemon.output()
    exporter = test.stats()["exporters"][0]
    assert exporter["pending_sets"] == 0 and exporter["drops"]["no_template"] == 3, exporter
    assert "3 data sets still waited for their template: their flows are lost (no_template); nfacctd_templates_file" in daemon.output()
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/out.json\n", name="complete")
    test.send(announce, data)
    test.wait_now(daemon, lambda stats: stats["exporters"] and stats["exporters"][0]["flows"] == 1, "the flow", name="complete")
    assert daemon.stop() == 0 and "waited for their template" not in daemon.output(), daemon.output()


def test_an_end_without_losses_says_nothing_of_them(test):
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/out.json\n")
    test.send(*one_flow())
    assert daemon.stop() == 0
    assert "lost" not in daemon.output() and "waits for it" not in daemon.output(), daemon.output()


def test_a_plugin_that_comes_back_is_told(test):
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/out.json\n")
    pid = wait_for(lambda: test.now(daemon)["instances"][0]["process"]["pid"], "the plugin's process")
    os.kill(pid, signal.SIGKILL)
    daemon.wait_log("plugin print[a]: its process works again (process id ")
    assert daemon.output().count("works again") == 1
    assert daemon.stop() == 0, daemon.output()


def test_signals_say_what_was_done(test):
    bare = test.nfacctd(PRINT + f"print_output_file: {test.dir}/%Y-bare.json\n", name="bare")
    bare.signal(signal.SIGUSR2)
    bare.wait_log("maps: none is configured, so none is read anew")
    bare.signal(signal.SIGHUP)
    bare.wait_log("logfile is not set, so no log is opened anew")
    bare.signal(signal.SIGUSR1)
    bare.wait_log(f"statistics: written to {test.dir}/bare.stats")
    assert "opened anew: " not in bare.output() and "maps: read anew" not in bare.output(), bare.output()
    assert bare.stop() == 0, bare.output()
    full = test.nfacctd(PRINT + f"print_output_file: {test.dir}/%Y-full.json\nlogfile: {test.dir}/log\n"
                        f"nfacctd_allow_file: {test.write('allow', '127.0.0.0/8')}\n", name="full")
    full.signal(signal.SIGUSR2)
    full.wait_log("maps: read anew")
    full.signal(signal.SIGHUP)
    full.wait_log(f"log opened anew: {test.dir}/log")
    assert full.stop() == 0, full.output()


def test_a_folder_that_print_makes_is_told(test):
    daemon = test.nfacctd(PRINT + f"print_output_file: {test.dir}/new/%Y/out.json\nfiles_umask: 027\n")
    daemon.wait_log(f"print_output_file: the folder {test.dir}/new is not there; it will be made with mode 750 (files_umask)")
    test.send(*one_flow())
    assert daemon.stop() == 0, daemon.output()
    assert (test.dir / "new").stat().st_mode & 0o777 == 0o750


if __name__ == "__main__":
    sys.exit(main(globals()))
