#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of `print_output: avro` and avro_json, read by the specification alone, and by Avro's own program where it is installed
(python3-avro): they say what JSON says, also after changes of the configuration and kills of the plugin."""
import collections
import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess

from harness import NFACCTD, flowgen_capture, json_lines, main
from avro_reader import container_records
import exports

KEYS = "src_host, dst_host, proto, src_port, dst_port, tcpflags, as_path, label, timestamp_start"


def unpacked(path):
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
    return path.read_bytes()


def canonical(records, *without):
    return collections.Counter(json.dumps({k: v for k, v in r.items() if v is not None and k not in without}, sort_keys=True) for r in records)


def without_types(record):
    return {k: next(iter(v.values())) if isinstance(v, dict) and list(v) in (["long"], ["string"]) else v for k, v in record.items()}


def shown_by_avro(path):
    """What the program of python3-avro reads."""
    done = subprocess.run([shutil.which("avro"), "cat", "--format", "json", path], capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_files_say_what_json_says(test):
    made = flowgen_capture(test, "--flows", 4000, "--keys", 500, "--seconds", 150, "--exporters", 3)
    outputs = {"json": "json", "avro": "avro", "gz": "avro.gz", "zst": "avro.zst", "lines": "txt", "one": "avro"}
    kinds = {"json": "json", "lines": "avro_json"}
    lines = "".join(f"print_output[{name}]: {kinds.get(name, 'avro')}\nprint_output_file[{name}]: {test.dir}/{name}"
                    f"{'' if name == 'one' else '-%H%M'}.{suffix}\n" for name, suffix in outputs.items())
    daemon = test.nfacctd(f"""
plugins: {", ".join(f"print[{name}]" for name in outputs)}
pcap_savefile: {test.dir}/in.pcap
aggregate: {KEYS}
tcpflags_encode_as_array: true
as_path_encode_as_array: true
pre_tag_label_encode_as_map: true
print_history: 1m
print_history_roundoff: m
print_output_file_append[one]: true
avro_schema_file: {test.dir}/schema.avsc
{lines}
""")
    assert daemon.wait(90) == 0, daemon.output()
    files = {name: [path for path in sorted(test.dir.glob(f"{name}[-.]*{suffix}"))] for name, suffix in outputs.items()}
    assert all(len(paths) == (1 if name == "one" else len(files["json"])) for name, paths in files.items()), files
    expected = [r for path in files["json"] for r in json_lines(path)]
    assert sum(r["bytes"] for r in expected) == made["bytes"]
    expected = canonical(expected, "event_type", "stamp_updated")
    for name in ("avro", "gz", "zst", "one"):
        got = [r for path in files[name] for r in container_records(unpacked(path))]
        assert canonical(got, "stamp_updated") == expected, name
    assert canonical((without_types(r) for path in files["lines"] for r in json_lines(path)), "stamp_updated") == expected
    schema = json.loads((test.dir / "schema.avsc").read_text())
    assert [field["name"] for field in schema["fields"]] == list(json_lines(files["lines"][0])[0])
    if shutil.which("avro"):
        assert canonical(shown_by_avro(files["one"][0]), "stamp_updated") == expected


def test_the_same_input_gives_the_same_file(test):
    flowgen_capture(test, "--flows", 5000, "--keys", 500, "--seconds", 60)
    for workers in (1, 3):
        daemon = test.nfacctd(f"""
plugins: print
nfacctd_workers: {workers}
pcap_savefile: {test.dir}/in.pcap
aggregate: src_host, dst_host
print_output: avro
print_output_file: {test.dir}/{workers}.avro
""")
        assert daemon.wait(90) == 0, daemon.output()
    assert (test.dir / "1.avro").read_bytes() == (test.dir / "3.avro").read_bytes()


def test_other_columns_begin_a_new_file(test):
    flowgen_capture(test, "--flows", 1000, "--keys", 100, "--seconds", 10)
    for keys in ("src_host", "src_host", "dst_host"):
        daemon = test.nfacctd(f"""
plugins: print
pcap_savefile: {test.dir}/in.pcap
aggregate: {keys}
print_output: avro
print_output_file: {test.dir}/rows.avro.zst
print_output_file_append: true
""")
        assert daemon.wait(90) == 0, daemon.output()
    assert f"it is {test.dir}/rows.avro.1.zst now, and rows go on in a new file" in daemon.output()
    old, new = (container_records(unpacked(test.dir / name)) for name in ("rows.avro.1.zst", "rows.avro.zst"))
    assert {"ip_src" in r for r in old} == {True} and {"ip_dst" in r for r in new} == {True}
    assert sum(r["bytes"] for r in old) == 2 * sum(r["bytes"] for r in new)


def test_standard_output_has_the_json_encoding(test):
    made = flowgen_capture(test, "--flows", 1000, "--keys", 100, "--seconds", 10)
    done = subprocess.run([NFACCTD, "-I", test.dir / "in.pcap", "-P", "print", "-c", "src_host", "-O", "avro"],
                          capture_output=True, text=True, check=True, timeout=60)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(r["bytes"]["long"] for r in records) == made["bytes"] and all(r["flows"] is None for r in records)


def test_plugin_killed_in_the_middle(test):
    """Ten kills while rows go out: each row is in the file once, and a reader finds whole blocks."""
    daemon = test.nfacctd(f"""
plugins: print[out]
aggregate[out]: dst_host, flows
print_output[out]: avro
print_output_file[out]: {test.dir}/rows.avro
print_output_file_append[out]: true
print_refresh_time[out]: 1
""")
    stream, sent = exports.Ipfix(), 0
    test.send(stream.announce())
    for _ in range(10):
        test.send(stream.data([exports.common_flow("10.0.0.1", f"192.0.2.{n}", "10.0.0.1", octets=100 + n) for n in range(10)]))
        sent += 10
        pid = test.now(daemon)["instances"][0]["process"]["pid"]
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    test.wait_now(daemon, lambda s: s["instances"][0]["written"]["flows"] == sent, "all rows", seconds=90)
    assert daemon.stop() == 0, daemon.output()
    assert sum(r["flows"] for r in container_records((test.dir / "rows.avro").read_bytes())) == sent


if __name__ == "__main__":
    main(globals())
