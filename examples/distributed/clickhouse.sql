-- SPDX-License-Identifier: GPL-2.0-or-later
-- Kafka -> ClickHouse. Run once: clickhouse-client --multiquery < clickhouse.sql

CREATE DATABASE IF NOT EXISTS flows;

-- 1. The topic. Each reader of the group gets some of the partitions; a packed message is several rows of one _offset.
CREATE TABLE flows.queue
(
    peer_ip_src String, iface_in UInt32, iface_out UInt32, peer_ip_dst String, peer_as_dst UInt32, as_dst UInt32, path_match String,
    stamp_inserted DateTime('UTC'), stamp_updated DateTime('UTC'), flows UInt64, packets UInt64, bytes UInt64, writer_id String
)
ENGINE = Kafka
SETTINGS kafka_broker_list = '127.0.0.1:9092', kafka_topic_list = 'flows', kafka_group_name = 'clickhouse',
    kafka_format = 'JSONEachRow', kafka_num_consumers = 1, kafka_max_block_size = 1048576, kafka_flush_interval_ms = 5000,
    input_format_skip_unknown_fields = 1;

-- 2. Every row that came, with where it came from: core_id, instance, worker, seq, rows say which rows of which collector,
-- _partition and _offset where in the topic. Rows of one key are in a hand-over once, so a row that comes again (a collector's
-- process died, or a reader) equals the first in all of ORDER BY: merges and FINAL keep one.
CREATE TABLE flows.raw
(
    stamp_inserted DateTime('UTC'), peer_ip_src LowCardinality(String), iface_in UInt32, iface_out UInt32, peer_ip_dst LowCardinality(String),
    peer_as_dst UInt32, as_dst UInt32, path_match LowCardinality(String), flows UInt64, packets UInt64, bytes UInt64,
    writer_id LowCardinality(String), core_id LowCardinality(String), instance LowCardinality(String), worker UInt32, seq UInt64,
    rows String, topic_partition UInt32, topic_offset Int64, stamp_updated DateTime('UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(stamp_inserted)
ORDER BY (stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst, as_dst, path_match, core_id, instance, worker, seq)
TTL stamp_inserted + INTERVAL 7 DAY;

CREATE MATERIALIZED VIEW flows.queue_to_raw TO flows.raw AS
SELECT
    stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst, as_dst, path_match, flows, packets, bytes, writer_id,
    _headers.value[indexOf(_headers.name, 'core_id')] AS core_id, _headers.value[indexOf(_headers.name, 'instance')] AS instance, toUInt32(_headers.value[indexOf(_headers.name, 'worker')]) AS worker,
    toUInt64(_headers.value[indexOf(_headers.name, 'seq')]) AS seq, _headers.value[indexOf(_headers.name, 'rows')] AS rows, _partition AS topic_partition, toInt64(_offset) AS topic_offset, stamp_updated
FROM flows.queue;

-- 3. Rollups, fed as rows come. Each adds up the partial sums of all collectors.
CREATE TABLE flows.matrix_5m
(
    stamp_inserted DateTime('UTC'), peer_ip_src LowCardinality(String), iface_in UInt32, iface_out UInt32, peer_ip_dst LowCardinality(String),
    peer_as_dst UInt32, flows UInt64, packets UInt64, bytes UInt64
)
ENGINE = SummingMergeTree((flows, packets, bytes))
PARTITION BY toYYYYMM(stamp_inserted)
ORDER BY (stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst)
TTL stamp_inserted + INTERVAL 90 DAY;

CREATE MATERIALIZED VIEW flows.raw_to_matrix_5m TO flows.matrix_5m AS
SELECT stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst, sum(flows) AS flows, sum(packets) AS packets, sum(bytes) AS bytes
FROM flows.raw
GROUP BY stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst;

CREATE TABLE flows.peers_1h
(
    hour DateTime('UTC'), peer_as_dst UInt32, as_dst UInt32, flows UInt64, packets UInt64, bytes UInt64
)
ENGINE = SummingMergeTree((flows, packets, bytes))
PARTITION BY toYear(hour)
ORDER BY (hour, peer_as_dst, as_dst)
TTL hour + INTERVAL 3 YEAR;

CREATE MATERIALIZED VIEW flows.raw_to_peers_1h TO flows.peers_1h AS
SELECT toStartOfHour(raw.stamp_inserted) AS hour, peer_as_dst, as_dst, sum(flows) AS flows, sum(packets) AS packets, sum(bytes) AS bytes
FROM flows.raw AS raw
GROUP BY hour, peer_as_dst, as_dst;
