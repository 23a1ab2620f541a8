-- Database, user and the table of flows, for an administrator: mariadb < schema.sql
-- The table `hourly` is made by the collector (sql_table_create).

CREATE DATABASE IF NOT EXISTS traffic CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER IF NOT EXISTS 'collector'@'localhost' IDENTIFIED BY 'change-me';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON traffic.* TO 'collector'@'localhost';
USE traffic;

-- The unique key has all that tells rows apart, the time first: each row is added to the one that is there.
CREATE TABLE IF NOT EXISTS flows (
    stamp_inserted DATETIME NOT NULL,
    stamp_updated DATETIME NOT NULL,
    peer_ip_src VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    ip_src VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    ip_dst VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    port_src SMALLINT UNSIGNED NOT NULL,
    port_dst SMALLINT UNSIGNED NOT NULL,
    ip_proto VARCHAR(15) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    tcp_flags SMALLINT UNSIGNED NOT NULL,
    packets BIGINT UNSIGNED NOT NULL,
    bytes BIGINT UNSIGNED NOT NULL,
    flows BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (stamp_inserted, peer_ip_src, ip_src, ip_dst, port_src, port_dst, ip_proto)
) ENGINE=InnoDB
PARTITION BY RANGE COLUMNS (stamp_inserted) (PARTITION later VALUES LESS THAN (MAXVALUE));

-- A day of its own, to be run ahead by a job; what came for it before lies in `later` and moves:
--   ALTER TABLE flows REORGANIZE PARTITION later INTO (
--       PARTITION d20261201 VALUES LESS THAN ('2026-12-02'), PARTITION later VALUES LESS THAN (MAXVALUE));
-- And one that is old goes at once:
--   ALTER TABLE flows DROP PARTITION d20261101;
