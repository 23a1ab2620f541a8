#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""examples/distributed: two collectors into one topic, ClickHouse's own engine reads it by its Kafka table, and what it has added
up is the truth to the byte. Needs CHDB_PYTHON: a Python with the package chdb (0.5 GB and more, so not by itself)."""
import collections
import datetime
import json
import re
import subprocess

from harness import BUILD, json_lines, main, need, wait_for
from clickhouse import EXAMPLE, ClickHouse, named_queries
from kafka_cluster import Mock, consume

UNITS = ("flows", "packets", "bytes")


def collector(test, cluster, name, seed):
    """Runs one with the example's configuration; what a print plugin beside it says of the same flows."""
    pcap = test.dir / f"{name}.pcap"
    done = subprocess.run([BUILD / "bench/flowgen", "--flows", "60000", "--keys", "500", "--seconds", "900", "--seed", str(seed),
                           "--exporters", "8", "--pcap", pcap], capture_output=True, text=True, check=True, timeout=60)
    text = (EXAMPLE / "nfacctd.conf").read_text()
    text = re.sub(r"^(nfacctd_port|bgp_.*|nfacctd_as|nfacctd_net): .*\n", "", text, flags=re.M)
    text = text.replace("127.0.0.1", cluster.brokers).replace("collector-a", name)
    text = text.replace("plugins: kafka[flows]", "plugins: kafka[flows], print[truth]")
    aggregate = re.search(r"^aggregate\[flows\]: (.*)$", text, flags=re.M)[1]
    daemon = test.nfacctd(text + f"""
pcap_savefile: {pcap}
nfacctd_workers: 2
aggregate[truth]: {aggregate}
print_output[truth]: json
print_output_file[truth]: {test.dir}/{name}.json
print_output_file_append[truth]: true
print_history[truth]: 5m
print_history_roundoff[truth]: m
""", name=name)
    return daemon, json.loads(done.stdout)


def key_of(row):
    return tuple(row[k] for k in ("stamp_inserted", "peer_ip_src", "iface_in", "iface_out", "peer_ip_dst", "peer_as_dst"))


def added_up(rows):
    """Rows of equal key together, as a reader without ClickHouse does it."""
    out = collections.defaultdict(lambda: [0, 0, 0])
    for row in rows:
        values = out[key_of(row)]
        values[:] = [value + int(row[unit]) for value, unit in zip(values, UNITS)]
    return dict(out)


def send_again(cluster, message, partition):
    headers = [part for name, value in message["headers"].items() for part in ("-H", f"{name}={value}")]
    subprocess.run([need("kcat"), "-P", "-b", cluster.brokers, "-t", "flows", "-p", str(partition), "-D", "\x1e", *headers],
                   input=message["payload"].encode(), check=True, timeout=30)


def test_two_collectors_one_sum(test):
    clickhouse, cluster = ClickHouse(test), Mock(test)
    cluster.topic("flows", 6)
    sql = (EXAMPLE / "clickhouse.sql").read_text().replace("127.0.0.1:9092", cluster.brokers)
    # The flows are of a fixed day in the past, which the retention would take away.
    clickhouse.run(sql.replace("INTERVAL 7 DAY", "INTERVAL 50 YEAR").replace("INTERVAL 90 DAY", "INTERVAL 50 YEAR").replace("INTERVAL 3 YEAR", "INTERVAL 50 YEAR"))
    running = [collector(test, cluster, name, seed) for name, seed in (("collector-a", 1), ("collector-b", 2))]
    for daemon, _ in running:
        assert daemon.wait(60) == 0, daemon.output()
    truth_rows = [row for name in ("collector-a", "collector-b") for row in json_lines(test.dir / f"{name}.json")]
    truth = added_up(truth_rows)
    sent = {unit: sum(totals[unit] for _, totals in running) for unit in UNITS}
    assert {unit: sum(int(row[unit]) for row in truth_rows) for unit in UNITS} == sent

    messages = consume(cluster.brokers, "flows")
    rows_sent = sum(len(m["payload"].splitlines()) for m in messages)
    wait_for(lambda: int(clickhouse.query("SELECT count() AS c FROM flows.raw")[0]["c"]) >= rows_sent, "all rows in ClickHouse", 60)
    # A table is filled before those that are fed from it.
    for table in ("matrix_5m", "peers_1h"):
        wait_for(lambda: int(clickhouse.query(f"SELECT sum(flows) AS c FROM flows.{table}")[0]["c"]) >= sent["flows"], table, 60)
    matrix = clickhouse.query("SELECT toString(stamp_inserted) AS stamp_inserted, * EXCEPT stamp_inserted FROM flows.matrix_5m")
    assert added_up(matrix) == truth
    queries = named_queries()
    answer = {name: clickhouse.query(queries[name]) for name in queries}
    latest = datetime.datetime.fromisoformat(max(row["stamp_updated"] for row in truth_rows))
    for row in answer["growth"]:
        passed = min(3600, int((latest - datetime.datetime.fromisoformat(row["hour"])).total_seconds()))
        assert int(row["bits_per_second"]) == int(row["bytes"]) * 8 // passed, (row, latest)
    for name in ("matrix", "growth"):
        assert sum(int(row["bytes"]) for row in answer[name]) == sent["bytes"], name
    assert {row["writer_id"]: int(row["bytes"]) for row in answer["collectors"]} == {
        name: totals["bytes"] for name, (_, totals) in zip(("collector-a", "collector-b"), running)}
    assert answer["gaps"] == answer["duplicates"] == answer["excess"] == [], answer
    # The keys of both collectors meet: one partition for each.
    homes = clickhouse.query("SELECT uniqExact(topic_partition) AS homes, uniqExact(core_id) AS cores FROM flows.raw "
                             "GROUP BY peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst, as_dst, path_match ORDER BY homes DESC")
    assert int(homes[0]["homes"]) == 1 and max(int(h["cores"]) for h in homes) == 2, homes[:3]

    # Messages that come again, as after a kill: seen, measured, and put right.
    again = messages[:3]
    for m in again:
        send_again(cluster, m, m["partition"])
    extra = sum(len(m["payload"].splitlines()) for m in again)
    wait_for(lambda: int(clickhouse.query("SELECT sum(flows) AS c FROM flows.matrix_5m")[0]["c"]) > sent["flows"], f"{extra} rows more", 60)
    wait_for(lambda: len(clickhouse.query(queries["duplicates"])) == 3, "three messages that came again")
    days = [row["day"] for row in clickhouse.query(queries["excess"])]
    assert days, "the rollup must be too high"
    for day in days:
        clickhouse.run((EXAMPLE / "repair.sql").read_text().replace("{day}", day))
    matrix = clickhouse.query("SELECT toString(stamp_inserted) AS stamp_inserted, * EXCEPT stamp_inserted FROM flows.matrix_5m")
    assert added_up(matrix) == truth and clickhouse.query(queries["excess"]) == []

    # An offset that nobody has.
    m = next(m for m in messages if m["partition"] == messages[0]["partition"] and m["offset"] == 1)
    clickhouse.query(f"ALTER TABLE flows.raw DELETE WHERE topic_partition = {m['partition']} AND topic_offset = 1 SETTINGS mutations_sync = 1")
    gaps = clickhouse.query(queries["gaps"])
    assert [(int(g["topic_partition"]), int(g["from_offset"]), int(g["to_offset"])) for g in gaps] == [(m["partition"], 1, 1)], gaps


if __name__ == "__main__":
    main(globals())
