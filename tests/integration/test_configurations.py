#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations as people write them for pmacct's nfacctd and sfacctd: most pass --check in silence or with notices, the others say
what is missing, and nothing else. They are our own, after what is usual in guides, packages and playbooks."""
import collections
import re
import subprocess

from harness import NFACCTD, SFACCTD, main

FILES = {
    "pretag.map": "set_tag=1 ip=192.0.2.1 in=1\nset_tag=2 ip=192.0.2.1 in=2 jeq=more\nset_label=up ip=0.0.0.0/0 label=more\n",
    "pretag-old.map": "! tags by router\nid=1\tip=192.0.2.1\tin=10\nid=2 ip=192.0.2.2 filter='net 198.51.100.0/24'\nid2=7 src_as=64500\n",
    "sampling.map": "id=1000 ip=192.0.2.1\nid=100 ip=192.0.2.2 in=3\n", "agent.map": "bgp_ip=192.0.2.9 ip=192.0.2.1\nid=192.0.2.9 ip=192.0.2.2\n",
    "peers.map": "id=64500 ip=192.0.2.1 in=10\nid=64501 ip=192.0.2.1 src_mac=00:11:22:33:44:55\nid=bgp ip=0.0.0.0/0\n",
    "pref.map": "id=100 ip=192.0.2.1 in=10\n", "rd.map": "id=0:65000:1 ip=192.0.2.1 in=100\n",
    "networks.lst": "10.0.0.0/8\n64500,198.51.100.0/24\n64501_64502,203.0.113.0/24\n192.0.2.9,64500,2001:db8::/32\n",
    "primitives.lst": "name=dscp_in field_type=195 len=1 semantics=u_int\nname=next_as field_type=128 len=4 semantics=u_int\n",
    "allow.lst": "192.0.2.0/24\n2001:db8::1\n", "ports.lst": "22\n80\n443\n", "protos.lst": "6\n17\n", "tos.lst": "0\n184\n",
    "librdkafka.conf": "global, queue.buffering.max.ms, 100\ntopic, message.timeout.ms, 300000\n",
    "roas.json": '{"roas": []}', "md5.lst": "192.0.2.9, secret\n", "receivers.lst": "id=1 ip=192.0.2.5:2100\n",
}
Case = collections.namedtuple("Case", "name daemon errors text")
CASES = []


def case(name, text, *errors, daemon="nfacctd"):
    """`errors` are what each line of error must say; without any the configuration passes."""
    CASES.append(Case(name, daemon, errors, text))


# ---- a first try, as guides have it
case("memory", "daemonize: true\npidfile: {dir}/nfacctd.pid\nsyslog: daemon\nnfacctd_port: 2055\nplugins: memory[in], memory[out]\n"
     "aggregate[in]: dst_host\naggregate[out]: src_host\nimt_path[in]: {dir}/in.pipe\nimt_path[out]: {dir}/out.pipe\nimt_buckets: 65537\n"
     "imt_mem_pools_size: 65536\nimt_mem_pools_number: 0\naggregate_filter[in]: dst net 192.0.2.0/24\naggregate_filter[out]: src net 192.0.2.0/24")
case("one_line", "plugins:print\nnfacctd_port:9995\naggregate:src_host,dst_host,proto\nprint_refresh_time:10\nprint_output:json\nprint_output_file: {dir}/o")
case("blanks", "  plugins : print[a]\n! a comment\n#another\n\n aggregate[a] :  src_host ,dst_host\nprint_output_file[a] : {dir}/o\r\nnfacctd_ip : 0.0.0.0")
case("pmacctd_file", "interface: eth0\ndaemonize: true\naggregate: src_host,dst_host,src_port,dst_port,proto\nplugins: print\nprint_output_file: {dir}/o\n"
     "snaplen: 128\npromisc: false\npcap_filter: ip\nnfacctd_port: 2055\nnetworks_mask: 24")
case("container", "debug: false\ndaemonize: false\nlogfile: {dir}/log\nnfacctd_ip: 0.0.0.0\nnfacctd_port: 2100\nnfacctd_time_new: true\n"
     "nfacctd_disable_checks: true\nplugins: print[flows]\naggregate[flows]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, in_iface, "
     "out_iface, timestamp_start, timestamp_end, src_as, dst_as\nprint_output[flows]: csv\nprint_output_separator[flows]: ;\n"
     "print_output_file[flows]: {dir}/flows-%Y%m%d-%H%M.csv\nprint_refresh_time[flows]: 60\nprint_history[flows]: 1m\n"
     "print_history_roundoff[flows]: m\nprint_startup_delay[flows]: 1\nprint_cache_entries: 49999\ntimestamps_utc: true\nfiles_umask: 002")
case("stdout", "plugins: print\naggregate: src_host, dst_host, src_port, dst_port, tcpflags, proto\nnfacctd_port: 9995")
case("old_names", "plugins: print[a]\naggregate[a]: src_as, dst_as\nprint_output_file[a]: {dir}/o\nnfacctd_as_new: netflow\nrefresh_maps: true\n"
     "timestamps_rfc3339: true\nnfacctd_disable_checks: true\npmacctd_renormalize: true")
case("triggers", "plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {dir}/o-%s\nprint_trigger_exec[a]: {dir}/run\nprint_history[a]: 5m\n"
     "print_latest_file[a]: {dir}/latest\nprint_output_file_append[a]: true\nprint_markers[a]: true\nprint_num_protos[a]: true\nprint_max_writers: 4")
# ---- SQL
SQL = "sql_db: pmacct\nsql_host: 127.0.0.1\nsql_user: pmacct\nsql_passwd: arealsmartpwd\nsql_refresh_time: 60\nsql_history: 10m\nsql_history_roundoff: mh\n"
case("pgsql", "plugins: pgsql\naggregate: src_host,src_port,dst_host,dst_port,proto,tos,post_nat_src_host,post_nat_src_port,nat_event\n" + SQL +
     "sql_table_version: 9\nsql_data: typed\nsql_table: acct_v9\nsql_optimize_clauses: true\nsql_cache_entries: 9999991\nnfacctd_port: 2055")
case("second_database", "plugins: pgsql\naggregate: src_host\n" + SQL + "sql_recovery_backup_host: 192.0.2.7\nsql_trigger_exec: {dir}/run\nsql_trigger_time: 1h\n"
     "sql_preprocess: qnum=1000, minb=10000, fss=100000, recover=1\nsql_startup_delay: 30\nsql_max_writers: 4\nsql_locking_style: row\nsql_delimiter: ;\nplugin_exit_any: true")
case("pgsql_bgp", "plugins: pgsql[in], pgsql[out]\naggregate[in]: dst_as, peer_src_ip, in_iface, std_comm, as_path\naggregate[out]: src_as, peer_src_ip\n" + SQL +
     "sql_table[in]: acct_%Y%m%d\nsql_table_schema[in]: {dir}/schema\nsql_table_type: bgp\nsql_dont_try_update: true\nsql_use_copy: true\nsql_multi_values: 1024000\n"
     "sql_preprocess: minb=1000\nsql_locking_style: row\nbgp_daemon: true\nnfacctd_as: bgp\nnfacctd_net: bgp\nbgp_daemon_max_peers: 100\nsql_max_writers: 20\n"
     "sql_recovery_logfile: {dir}/recovery")
case("sqlite", "daemonize: true\nplugins: sqlite3[simple]\nsql_db[simple]: {dir}/pmacct.db\nsql_refresh_time[simple]: 3600\nsql_history[simple]: 60m\n"
     "sql_history_roundoff[simple]: h\nsql_table[simple]: acct\nsql_table_version[simple]: 9\naggregate: dst_net, dst_mask, dst_as\nbgp_daemon: true\n"
     "bgp_daemon_ip: 192.0.2.1\nbgp_daemon_max_peers: 2\nnfacctd_as_new: bgp\nnfacctd_net: bgp\nnfacctd_port: 9999\nsql_trigger_exec: {dir}/run")
case("mysql", "daemonize: false\nnfacctd_port: 9995\nnfacctd_time_new: true\nplugins: mysql\naggregate: src_host, dst_host, src_port, dst_port, tcpflags, proto\n"
     "sql_optimize_clauses: true\nsql_table_version: 9\nsql_port: 3306\nsql_multi_values: 1000000\n" + SQL)
case("mysql_beside", "plugins: mysql[a], print[b]\naggregate: src_host\nsql_table[a]: x\nsql_startup_delay[a]: 5\nprint_output_file[b]: {dir}/o")
# ---- Kafka, AMQP
KAFKA = "kafka_broker_host: 127.0.0.1\nkafka_broker_port: 9092\nkafka_topic: pmacct.acct\nkafka_refresh_time: 60\nkafka_history: 5m\nkafka_history_roundoff: m\n"
case("kafka", "plugins: kafka\naggregate: src_host, dst_host, in_iface, out_iface, timestamp_start, timestamp_end, src_port, dst_port, proto, tos, tcpflags, tag, "
     "src_as, dst_as, peer_src_as, peer_dst_as, peer_src_ip, peer_dst_ip, local_pref, as_path\n" + KAFKA + "pcap_interface: ens192\nnfacctd_ip: 192.0.2.1\n"
     "nfacctd_port: 20013\nbgp_daemon: true\nbgp_daemon_as: 65000\nbgp_peer_src_as_type: bgp\nbgp_src_as_path_type: bgp\nbgp_src_lrg_comm_type: bgp\n"
     "nfacctd_net: bgp\nnfacctd_as: bgp\nkafka_output: json\nkafka_multi_values: 16384\nkafka_max_writers: 10\nkafka_config_file: {dir}/librdkafka.conf")
case("kafka_avro", "plugins: kafka[k]\naggregate[k]: src_host, dst_host, flows, label, tag\n" + KAFKA.replace(":", "[k]:") + "kafka_output[k]: avro\n"
     "kafka_avro_schema_file[k]: {dir}/schema.avsc\npre_tag_map[k]: {dir}/pretag.map\nkafka_partition_dynamic[k]: true\nkafka_partition_key[k]: $src_host\n"
     "plugin_pipe_zmq: true\nplugin_pipe_zmq_profile: large\nmaps_entries: 100000\nmaps_index: true")
case("kafka_registry", "plugins: kafka\naggregate: src_host\n" + KAFKA + "kafka_output: avro\nkafka_avro_schema_registry: http://127.0.0.1:8081")
case("amqp", "plugins: amqp[a]\naggregate[a]: src_host, dst_host\namqp_host[a]: 127.0.0.1\namqp_exchange[a]: pmacct\namqp_routing_key[a]: acct\n"
     "amqp_refresh_time[a]: 300\namqp_history[a]: 5m\namqp_history_roundoff[a]: m")
case("redis", "plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {dir}/o\nredis_host: 127.0.0.1:6379\nredis_db: 1\ncluster_name: c\ncluster_id: 3")
case("names_of_other_plugins", "plugins: amqp[a], print[b]\naggregate: src_host, proto\nsql_history: 5m\nsql_history_roundoff[a]: m\nsql_refresh_time: 300\n"
     "kafka_num_protos: true\namqp_time_roundoff[a]: m\nprint_output_file[b]: {dir}/o")
case("pro_rating_beside", "plugins: print[a], print[b]\naggregate: src_host\nnfacctd_pro_rating: true\nnfacctd_time_new: true\nprint_history[a]: 1m\n"
     "print_output_file[a]: {dir}/o-%s\nprint_output_file[b]: {dir}/b")
case("wrong_values", "plugins: print[a], print[b]\naggregate: src_host\nprint_preprocess[a]: qnum=10, minb=5\nprint_output_separator[b]: tab\n"
     "print_output[b]: csv\nprint_output_file[a]: {dir}/o\nprint_output_file[b]: {dir}/b", "print_preprocess: qnum is not offered",
     "print_output_separator: not one printable")
case("wrong_values_passed_over", "strict_config: false\nplugins: print[a], print[b]\naggregate: src_host\nprint_preprocess[a]: qnum=10, minb=5\n"
     "print_output_separator[b]: tab\nprint_output[b]: csv\nprint_output_file[a]: {dir}/o\nprint_output_file[b]: {dir}/b")
# ---- maps
OUT = "plugins: print[a]\nprint_output[a]: json\nprint_output_file[a]: {dir}/o\nprint_refresh_time[a]: 60\n"
case("tags", OUT + "aggregate[a]: tag, tag2, label, src_host\npre_tag_map: {dir}/pretag-old.map\nmaps_refresh: true\nmaps_index: true\nmaps_row_len: 512\n"
     "pre_tag_filter[a]: 1-100,200\npre_tag_label_encode_as_map: false\npost_tag[a]: 9")
case("labels", OUT + "aggregate[a]: label, dst_as\npre_tag_map[a]: {dir}/pretag.map\npre_tag_label_filter[a]: up,-down")
case("sampling", OUT + "aggregate[a]: sampling_rate, src_host\nsampling_map: {dir}/sampling.map\nnfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 10")
case("agent", OUT + "aggregate[a]: peer_src_ip, as_path\nbgp_daemon: true\nbgp_agent_map: {dir}/agent.map\nnfacctd_as: bgp\nnfacctd_net: bgp\n"
     "bgp_daemon_md5_file: {dir}/md5.lst\nbgp_daemon_allow_file: {dir}/allow.lst\nbgp_aspath_radius: 5\nbgp_follow_default: 1\nbgp_stdcomm_pattern: 65000:.*\n"
     "bgp_table_peer_buckets: 13\nbgp_table_per_peer_buckets: 8")
case("peers", OUT + "aggregate[a]: peer_src_as, peer_dst_as, src_local_pref, src_med\nbgp_daemon: true\nnfacctd_as: bgp\nnfacctd_net: bgp\n"
     "bgp_peer_src_as_type: map\nbgp_peer_src_as_map: {dir}/peers.map\nbgp_src_local_pref_type: map\nbgp_src_local_pref_map: {dir}/pref.map\n"
     "bgp_src_med_type: map\nbgp_src_med_map: {dir}/pref.map")
case("vpn", OUT + "aggregate[a]: mpls_vpn_rd, vrf_name, src_host\nflow_to_rd_map: {dir}/rd.map\nmaps_refresh: true")
case("networks", OUT + "aggregate[a]: src_net, dst_net, src_as, dst_as, src_mask, dst_mask\nnetworks_file: {dir}/networks.lst\nnfacctd_net: file\nnfacctd_as: file\n"
     "networks_file_filter: true\nnetworks_cache_entries: 99991")
case("networks_longest", OUT + "aggregate[a]: src_net, dst_net, src_mask, dst_mask\nnetworks_file[a]: {dir}/networks.lst\nnfacctd_net: longest\nnfacctd_as: longest\n"
     "networks_no_mask_if_zero: true")
case("lists", OUT + "aggregate[a]: src_port, dst_port, proto, tos\nports_file[a]: {dir}/ports.lst\nprotos_file: {dir}/protos.lst\ntos_file: {dir}/tos.lst\n"
     "tos_encode_as_dscp: true")
case("sums", "plugins: print[h], print[a]\naggregate[h]: sum_host\naggregate[a]: sum_as\nprint_output_file[h]: {dir}/h\nprint_output_file[a]: {dir}/a\n")
case("custom", OUT + "aggregate[a]: src_host, dscp_in, next_as\naggregate_primitives: {dir}/primitives.lst\nnfacctd_account_options: true")
case("thresholds", OUT + "aggregate[a]: src_host\nprint_preprocess[a]: minb=1000, minp=2\nprint_preprocess_type[a]: all")
case("encodings", OUT + "aggregate[a]: tcpflags, fwd_status, mpls_label_stack, as_path, std_comm, tos\ntcpflags_encode_as_array: true\n"
     "fwd_status_encode_as_string: true\nmpls_label_stack_encode_as_array: true\nas_path_encode_as_array: true\nbgp_comms_encode_as_array: true\nbgp_daemon: true")
case("blackhole", OUT + "aggregate[a]: src_host\nbgp_daemon: true\nbgp_blackhole_stdcomm_list: 65535:666")
# ---- what comes later, and what does not
case("message_log", OUT + "aggregate[a]: src_host\nbgp_daemon: true\nbgp_daemon_msglog_file: {dir}/bgp-$peer_src_ip.log")
case("table_dump", OUT + "aggregate[a]: src_host\nbgp_daemon: true\nbgp_table_dump_file: {dir}/bgp-$peer_src_ip-%H%M.json\nbgp_table_dump_refresh_time: 600")
case("table_dump_off", OUT + "aggregate[a]: src_host\nbgp_table_dump_file: {dir}/x\nbgp_table_dump_refresh_time: 600\nbmp_daemon: false\nbmp_daemon_max_peers: 5")
case("bmp", OUT + "aggregate[a]: src_host\nbmp_daemon: true\nbmp_daemon_port: 1790\nbmp_daemon_max_peers: 20")
case("rpki", OUT + "aggregate[a]: dst_as\nbgp_daemon: true\nnfacctd_as: bgp\nrpki_roas_file: {dir}/roas.json")
case("tee", "plugins: tee[a]\ntee_receivers[a]: {dir}/receivers.lst\ntee_transparent: true\nnfacctd_port: 2100")
case("looking_glass", OUT + "aggregate[a]: src_host\nbgp_daemon: true\nbgp_daemon_lg: true", "pathacct routes")
case("telemetry", OUT + "aggregate[a]: src_host\ntelemetry_daemon: true\ntelemetry_daemon_port_tcp: 1620", *["telemetry"] * 2)
case("mistyped", OUT + "aggregate[a]: src_host\nnfacctd_prot: 2100\nprint_refrsh_time[a]: 60\nprint_output_file[b]: x",
     "did you mean nfacctd_port", "did you mean print_refresh_time", "")
case("mistyped_passes", OUT + "aggregate[a]: src_host\nstrict_config: false\nnfacctd_prot: 2100\nprint_refrsh_time[a]: 60\nprint_output_file[b]: x\nbgp_daemon_msglog: true")
# ---- sFlow
S = "sfacctd_port: 6343\nsfacctd_ip: 0.0.0.0\n"
case("sflow_memory", S + "plugins: memory\naggregate: src_host, dst_host, src_port, dst_port, proto\nimt_path: {dir}/pipe\nsfacctd_renormalize: true\n"
     "plugin_buffer_size: 10240\nplugin_pipe_size: 10240000", daemon="sfacctd")
case("sflow_print", S + OUT + "aggregate[a]: src_mac, dst_mac, vlan, etype, in_iface, out_iface, sampling_rate, peer_src_ip\nsfacctd_time_new: true\n"
     "sfacctd_disable_checks: true\nsfacctd_allow_file: {dir}/allow.lst", daemon="sfacctd")
case("sflow_bgp", S + OUT + "aggregate[a]: src_as, dst_as, as_path, peer_dst_ip\nsfacctd_as: bgp\nsfacctd_net: bgp\nbgp_daemon: true\nbgp_agent_map: {dir}/agent.map\n"
     "sfacctd_renormalize: true", daemon="sfacctd")
case("sflow_pgsql", S + "plugins: pgsql\naggregate: src_as, dst_as, src_host, dst_host\n" + SQL + "sql_table_version: 6\nsfacctd_as_new: sflow", daemon="sfacctd")
case("sflow_counters", S + OUT + "aggregate[a]: src_host\nsfacctd_counter_file: {dir}/counters-$peer_src_ip\nsfacctd_counter_output: json", daemon="sfacctd")
case("sflow_tags", S + OUT + "aggregate[a]: tag, src_host\npre_tag_map: {dir}/pretag.map\npre_tag_filter[a]: 1,2\nsampling_map: {dir}/sampling.map", daemon="sfacctd")
case("sflow_timestamps", S + OUT + "aggregate[a]: src_host, timestamp_arrival, tunnel_src_host, tunnel_proto\ntimestamps_since_epoch: true", daemon="sfacctd")
case("sflow_networks", S + OUT + "aggregate[a]: src_net, dst_net, src_as\nnetworks_file: {dir}/networks.lst\nsfacctd_net: file\nsfacctd_as: file", daemon="sfacctd")
case("sflow_kafka", S + "plugins: kafka\naggregate: src_host, dst_host, tcpflags\n" + KAFKA + "sfacctd_ext_sampling_rate: 100", daemon="sfacctd")
case("sflow_tee", S + "plugins: tee[a]\ntee_receivers[a]: {dir}/receivers.lst", daemon="sfacctd")


def check(test, it):
    """What --check says: its exit status, errors, the rest."""
    for name, text in FILES.items():
        test.write(name, text)
    test.write("schema", "CREATE TABLE x (a INT);\n")
    run = test.write("run", "#!/bin/sh\n")
    run.chmod(0o755)
    config = test.write("conf", it.text.replace("{dir}", str(test.dir)) + "\n")
    program = SFACCTD if it.daemon == "sfacctd" else NFACCTD
    done = subprocess.run([program, "-f", config, "--check"], capture_output=True, text=True, timeout=60, check=False)
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\S+:\d+: |\S+: .*(error|not supported)", line) and not line.startswith(("warning:", "notice:", "strict_config: false passes"))]
    return done.returncode, errors, lines


def wrong(test, it):
    """Why it is not as it should be; None: it is."""
    status, errors, lines = check(test, it)
    unexpected = list(errors)
    for words in it.errors:
        found = next((line for line in unexpected if words in line), None)
        if found is None:
            return f"no error says '{words}':\n" + "\n".join(lines)
        unexpected.remove(found)
    if unexpected:
        return "errors:\n" + "\n".join(unexpected)
    return None if (status == 0) == (not it.errors) else f"exit status {status}:\n" + "\n".join(lines)


def test_each_is_told_what_it_should_be(test):
    reasons = {it.name: why for it in CASES if (why := wrong(test, it))}
    passing = sum(not it.errors for it in CASES)
    print(f"{len(CASES)} configurations, {passing} of them pass, {len(CASES) - passing} are told what is missing")
    assert not reasons, "\n".join(f"--- {name}: {why}" for name, why in reasons.items())


if __name__ == "__main__":
    main(globals())
