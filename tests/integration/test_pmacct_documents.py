#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every configuration in the documents of Debian's pmacct: it is checked, and what names plugins and passes is run: it takes flows and
writes them to its backend. What does not pass is in REFUSED with its reason. The documents are read where the package has them; their options that are
commented out are tried too."""
import collections
import gzip
import json
import re
import subprocess

from harness import NFACCTD, SOURCE, free_port, main, need_built, need_pmacct
from kafka_cluster import Mock
from mariadb import MariaDB
from postgres import Postgres
import exports
import mmdb

DOCUMENTS = ("QUICKSTART", "FAQS", "UPGRADE", "CONFIG-KEYS", "docs/BGP_BMP_METRICS.md")
KEYS = set((SOURCE / "tests/data/pmacct_keys.txt").read_text().split()) | {"tunnel_0"}
LINE = re.compile(r"^\s*([a-z]\w*)\s*(?:\[[^\]]*\])?\s*:\s*(\S.*)$")
OPTION = re.compile(r"^\s*!\s*([a-z]\w*)\s*(?:\[[^\]]*\])?\s*:\s*\S")
FILES = {
    "primitives.lst": "name=vrf_id_ingress field_type=234 len=4 semantics=u_int\nname=vrf_id_egress field_type=235 len=4 semantics=u_int\n"
                      "name=vrf_name field_type=236 len=32 semantics=str\nname=int_descr field_type=83 len=64 semantics=str\n"
                      "name=sampler_interval field_type=50 len=4 semantics=u_int\nname=sampler_id field_type=48 len=2 semantics=u_int\n",
    "pre_tag.map": "set_tag=100 ip=0.0.0.0/0\n", "pretag_a.map": "set_tag=1 ip=127.0.0.0/8\n", "pretag_b.map": "set_tag=2 ip=10.0.0.0/8\n",
    "peers.map": "id=64500 ip=127.0.0.1\n", "bgp_agent.map": "bgp_ip=127.0.0.2 ip=0.0.0.0/0\n", "networks.lst": "192.168.0.0/16\n",
    "allow-1.map": "127.0.0.0/8\n", "allow-2.map": "127.0.0.0/8\n", "allow.map": "127.0.0.0/8\n", "roas.json": '{"roas": []}', "librdkafka.conf": "global, queue.buffering.max.ms, 100\n",
    "acct_v4.schema": "CREATE TABLE acct_v4_%Y%m%d_%H%M (ip_src VARCHAR(45), packets BIGINT, bytes BIGINT, stamp_inserted DATETIME, "
                      "stamp_updated DATETIME)\n",
}
# What pretag.map holds in the section of the document.
PRETAG = {"pre_tag_filter[nat]": "set_tag=10 ip=0.0.0.0/0 sample_type=flow\nset_tag=20 ip=0.0.0.0/0 sample_type=event\n",
          "maps_index: true\n!\nplugins: tee": "set_tag=100 ip=0.0.0.0/0 src_mac=02:00:00:00:00:01\nset_tag=999 ip=0.0.0.0/0\n",
          "tee_receivers": "set_tag=100 ip=127.0.0.1\n",
          "": "set_tag=100 ip=0.0.0.0/0 sample_type=flow\nset_tag=200 ip=0.0.0.0/0 sample_type=option\n"}
# What is refused, and by which words: of what other issues bring, and of what is no goal.
LATER = {"what routers say by BMP is not": "message log, dump", "datagrams are passed on whole": "tee by flows", "BGP messages are not": "message log", "origin validation": "RPKI",
         "templates are not shared": "template sharing", "a schema registry is not": "Avro's registry"}
NEVER = {"flows are not exported": "probes", "pmacct's looking glass": "looking glass over ZeroMQ", "BGP sessions are not relayed": "x-connect",
         "IS-IS is not spoken": "IS-IS", "GeoIP's first version": "Debian's pmacct is built without it", "telemetry is not collected": "telemetry",
         "ROAs come from one of them": "one of two",
         # Wrong in pmacct too: two tables under one path; two receivers' files under the name of one instance; a variable of no primitive.
         "would both have '/tmp/collect.pipe'": "fragment", "tee_receivers: is not set": "a slip of the pen",
         "neither a primitive of this instance's": "fragment", "takes the place of": "a slip of the pen"}
Case = collections.namedtuple("Case", "place text is_whole")  # is_whole: it names plugins, and no option was added


def read(name):
    path = need_pmacct("share/doc/pmacct") / name
    if path.exists():
        return path.read_text(errors="replace")
    return gzip.open(f"{path}.gz", "rt", errors="replace").read()


def blocks(text):
    """Runs of lines of configuration, with comments and blank lines between them: (number of the first line, lines)."""
    found, run, begin = [], [], 0
    for number, line in enumerate(text.splitlines() + ["end"], 1):
        stated = LINE.match(line)
        if stated and stated[1] in KEYS:
            begin = begin if run else number
            run.append(line.strip())
        elif run and (not line.strip() or line.strip().startswith("!")):
            run.append(line.strip())
        elif not run and OPTION.match(line):
            begin, run = number, [line.strip()]
        else:
            if any(LINE.match(r) for r in run):
                found.append((begin, run))
            run = []
    return found


def completed(test, lines):
    """The text as a reader completes it: names of files, addresses, what stands for the rest; with plugins, if it has none."""
    lines = [re.sub(r"(,\s*\.\.\.|<.*>)", "", line.replace("<table name>", "acct").replace("<aggregation primitives list>", "src_host")) for line in lines]
    text = "\n".join(lines).replace("X.X.X.X", "127.0.0.1").replace("[plugin_name]", "")
    text = re.sub(r"/(?:path/to|usr/local/pmacct(?:/etc)?|etc/pmacct|tmp)/+", f"{test.dir}/", text)
    keys = {m[1] for m in map(LINE.match, text.splitlines()) if m}
    names = sorted(set(re.findall(r"^\w+\[(\w+)\]", text, re.M)))
    if "plugins" not in keys:
        kind = "tee" if any(k.startswith("tee_") for k in keys) else "sqlite3" if any(k.startswith("sql_") for k in keys) else "print"
        text += "\nplugins: " + (", ".join(f"{kind}[{name}]" for name in names) or kind)
    if not any(k.startswith("aggregate") for k in keys) and "tee" not in text:
        text += "\naggregate: src_host" + (", peer_src_ip" if "$peer_src_ip" in text else "")
    return text + "\n"


def cases(test):
    for name in DOCUMENTS:
        for number, lines in blocks(read(name)):
            stated = {m[1] for m in map(LINE.match, lines) if m}
            yield Case(f"{name}:{number}", completed(test, lines), "plugins" in stated)
            options = [line.lstrip("! ") if OPTION.match(line) and OPTION.match(line)[1] in KEYS else line for line in lines]
            if options != lines and not any(m and m[1] in stated for m in (OPTION.match(line) for line in lines)):
                yield Case(f"{name}:{number} with its options", completed(test, options), False)


def prepare(test):
    for name, text in FILES.items():
        test.write(name, text)
    test.receiver = free_port()
    (test.dir / "GeoIP").mkdir()
    mmdb_path = test.dir / "GeoIP/GeoLite2-Country.mmdb"
    mmdb_path.write_bytes(mmdb.database({"192.168.0.0/16": mmdb.place("DE")}, kind="GeoLite2-Country"))
    for name in ("receivers.lst", "tee_receivers.lst", "tee_receivers_a.lst", "tee_receivers_b.lst"):
        test.write(name, f"id=1 ip=127.0.0.1:{test.receiver}\n")


def write_pretag(test, text):
    test.write("pretag.map", next(rows for words, rows in PRETAG.items() if words in text))


def check(test, text):
    write_pretag(test, text)
    done = subprocess.run([NFACCTD, "-f", test.write("check.conf", text), "--check"], capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if not line.startswith(("warning:", "notice:", "strict_config: false passes"))
            and not re.match(r"\d+ (error|warning|notice)s?\b", line)]
    return done.returncode, said


def test_each_passes_or_is_refused_for_a_reason_that_stands_here(test):
    prepare(test)
    wrong, passed, refused = [], 0, collections.Counter()
    for it in cases(test):
        status, said = check(test, it.text)
        passed += status == 0
        for line in said if status != 0 else ():
            reason = next((why for words, why in {**LATER, **NEVER}.items() if words in line), None)
            refused[reason] += 1
            if not reason:
                wrong.append(f"{it.place}: {line}")
    print(f"{passed} pass; refused: {dict(refused)}")
    assert not wrong, "\n".join(wrong)
    assert passed > 50, passed


# ---- running

def local(test, text, servers):
    """The configuration with ports and servers of this test."""
    lines = []
    for line in text.splitlines():
        key = line.split(":")[0].split("[")[0].strip()
        if key in ("amqp_host", "daemonize", "nfacctd_ip", "nfacctd_port", "bgp_daemon_port", "bgp_daemon_ip", "tee_transparent", "sql_table_schema"):
            continue
        lines.append(line)
    text = "\n".join(lines)
    instances = re.findall(r"(\w+)(?:\[(\w+)\])?", re.search(r"plugins\s*:\s*(.*)", text)[1])
    for kind, name in instances:
        at = f"[{name}]" if name else ""
        text += "\n"
        if kind in ("mysql", "pgsql"):
            text += servers[kind].keys(name or None)
        if kind == "sqlite3":
            text += f"sql_db{at}: {test.dir}/run.db\n"
        if kind in ("mysql", "pgsql", "sqlite3"):
            # pmacct's scripts make the tables; here each run makes its own.
            test.count = getattr(test, "count", 0) + 1
            text = re.sub(rf"(?m)^(sql_table{re.escape(at)}\s*:\s*\S*)$", rf"\1_{test.count}", text)
            text += f"sql_table_create{at}: true\n" + ("" if f"sql_table{at}:" in text else f"sql_table{at}: t{test.count}\n")
        if kind == "kafka":
            text += f"kafka_broker_host: {servers[kind].brokers.rpartition(':')[0]}\nkafka_broker_port: {servers[kind].brokers.rpartition(':')[2]}\n"
        if kind == "amqp":
            text += f"amqp_host{at}: 127.0.0.1\namqp_port{at}: {servers[kind].port}\n"
        if kind == "print" and "print_output_file" not in text:
            text += f"print_output_file{at}: {test.dir}/out-{name}-%s\n"
    if "bgp_daemon: true" in text:
        text += f"bgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {free_port()}\n"
    return text + "\n"


def run(test, text, name):
    """None if each instance got all flows and wrote what passed its filters; else what is wrong."""
    write_pretag(test, text)
    flows = [dict(src=f"192.168.1.{n}", dst="192.168.2.1", packets=1, bytes=100, sport=1024, dport=53, proto=17) for n in range(10)]
    daemon = test.nfacctd(text, name=name)
    test.send(exports.netflow5(flows))
    test.wait_now(daemon, lambda stats: sum(e["flows"] for e in stats["exporters"]) == 10, "10 flows", name=name)
    status = daemon.stop()
    if status != 0:
        return f"exit status {status}:\n{daemon.output()}"
    ledgers = test.stats(name)["instances"]
    if any(i["decoded"]["flows"] != i["filtered"]["flows"] + i["written"]["flows"] for i in ledgers) or not any(i["written"]["flows"] for i in ledgers):
        return f"{json.dumps(ledgers)}\n{daemon.output()}"
    return None


def test_what_passes_runs(test):
    need_built("sqlite3", "pgsql", "mysql", "kafka")
    prepare(test)
    servers = {"mysql": MariaDB(test), "pgsql": Postgres(test), "kafka": Mock(test)}
    servers["kafka"].topic("pmacct.acct")
    # RabbitMQ takes long to start; test_amqp has it, and runs what wants it.
    run_all(test, servers, lambda text: "plugins: amqp" not in text)


def run_all(test, servers, is_wanted):
    """Runs the configurations that are wanted, and fails if one does not do what it should."""
    passing = [it for it in cases(test) if it.is_whole and is_wanted(it.text) and check(test, it.text)[0] == 0]
    wrong = {}
    for number, it in enumerate(passing):
        why = run(test, local(test, it.text, servers), f"run{number}")
        if why:
            wrong[it.place] = why
    print(f"{len(passing)} run")
    assert passing
    assert not wrong, "\n".join(f"--- {place}: {why}" for place, why in wrong.items())


if __name__ == "__main__":
    main(globals())
