#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what happens when something goes wrong between the mysql plugin and its server: one test for each row of
src/plugins/mysql/faults.def."""
import re
import signal

from harness import main, wait_for
from mariadb import PASSWORD, MariaDB
from sql_faults import Fault, World, table, tests

COLUMNS = ("ip_src varchar(45) NOT NULL DEFAULT '0.0.0.0', port_src int NOT NULL DEFAULT 0, packets bigint NOT NULL DEFAULT 0, "
           "bytes bigint NOT NULL DEFAULT 0")
STAMPS = "stamp_inserted datetime NOT NULL, stamp_updated datetime NOT NULL, "
PROGRESS = ("CREATE TABLE pathacct_progress (core_id CHAR(32) NOT NULL, instance VARCHAR(255) NOT NULL, worker INTEGER NOT NULL, seq BIGINT NOT NULL, "
            "updated BIGINT NOT NULL, PRIMARY KEY (core_id, instance, worker)) CHARACTER SET utf8mb4;")


def own_table(name, columns=COLUMNS, more="", key="ip_src, port_src"):
    return table(name, columns, more, key)


def user(name, rights="ALL ON pmacct.*", more=""):
    return f"CREATE USER {name}@localhost IDENTIFIED BY '{PASSWORD}' {more}; GRANT {rights} TO {name}@localhost;"


FAULTS = {
    "LOGIN_REFUSED": Fault("Access denied for user 'stranger'@'localhost' .*; check sql_user, sql_passwd",
                           own_table("login_refused") + user("stranger").replace(PASSWORD, "other"),
                           f"ALTER USER stranger@localhost IDENTIFIED BY '{PASSWORD}'", "sql_user[login_refused]: stranger\n"),
    "DATABASE_MISSING": Fault("Unknown database 'nowhere' .*; check sql_db", fix="CREATE DATABASE nowhere",
                              keys="sql_db[database_missing]: nowhere\nsql_table_create[database_missing]: true\nsql_user[database_missing]: root_like\n"),
    "TABLE_MISSING": Fault("there is no table `table_missing` in database pmacct; create the table", fix=own_table("table_missing")),
    "COLUMN_MISSING": Fault("table `column_missing` lacks columns of `aggregate`; run ALTER TABLE", f"CREATE TABLE column_missing ({COLUMNS});",
                            fix=lambda line: re.search(r"run (ALTER TABLE .*)", line)[1]),
    "TABLE_UNFIT": Fault("column site of table `table_unfit` is NOT NULL without a default", own_table("table_unfit", COLUMNS + ", site varchar(20) NOT NULL"),
                         "ALTER TABLE table_unfit ALTER COLUMN site SET DEFAULT ''"),
    "ENGINE_UNFIT": Fault("table `engine_unfit` \\(MyISAM\\) has no transactions", own_table("engine_unfit", more="ENGINE=MyISAM"),
                          fix=lambda line: re.search(r"run (ALTER TABLE .*?);", line)[1]),
    "RIGHT_MISSING": Fault("INSERT.* command denied to user 'reader'.*; GRANT what is missing",
                           own_table("right_missing") + user("reader", "SELECT ON pmacct.*") +
                           "GRANT INSERT, UPDATE, DELETE, CREATE ON pmacct.pathacct_progress TO reader@localhost;",
                           "GRANT INSERT, UPDATE ON pmacct.right_missing TO reader@localhost", "sql_user[right_missing]: reader\n"),
    "PROGRESS_MISSING": Fault("no right to keep pathacct_progress.*or set sql_exactly_once: false",
                              own_table("progress_missing") + user("modest", "SELECT, INSERT, UPDATE ON closed.*"),
                              lambda line: re.search(r"run (CREATE TABLE .*); or set", line)[1].replace("'modest'@'%'", "modest@localhost"),
                              "sql_db[progress_missing]: closed\nsql_user[progress_missing]: modest\n", db="closed"),
    "PROGRESS_LATER": Fault("pathacct_progress is of version 2, and this program knows version 1: start the later version again",
                            own_table("progress_later") + PROGRESS + "INSERT INTO pathacct_progress VALUES ('version', '', 0, 2, 9223372036854775807);",
                            "UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'",
                            "sql_db[progress_later]: later\nsql_user[progress_later]: root_like\n", db="later"),
    "PARTITION_MISSING": Fault("Table has no partition for value .*create the partition",
                               own_table("partition_missing", STAMPS + COLUMNS, "PARTITION BY RANGE COLUMNS (stamp_inserted) (PARTITION old VALUES LESS THAN "
                                     "('2001-01-01'))", key="stamp_inserted, ip_src, port_src"),
                               "ALTER TABLE partition_missing ADD PARTITION (PARTITION later VALUES LESS THAN (MAXVALUE))",
                               "sql_history[partition_missing]: 1m\n"),
    "LOCKED": Fault("Lock wait timeout exceeded.*another session holds a lock", own_table("locked")),
    "DISK_FULL": Fault("The table 'disk_full' is full .*make room on the server's disk"),
    "STANDBY": Fault("READ ONLY transaction.*set sql_host to the primary", own_table("standby") + user("replica"),
                     "SET GLOBAL init_connect = ''", "sql_user[standby]: replica\n"),
    "BUSY": Fault("User 'crowd' has exceeded the 'max_queries_per_hour'", own_table("busy") + user("crowd", more="WITH MAX_QUERIES_PER_HOUR 1"),
                  "ALTER USER crowd@localhost WITH MAX_QUERIES_PER_HOUR 0", "sql_user[busy]: crowd\n"),
    "MISUSED": Fault("value specified for generated column 'flows'", f"CREATE TABLE misused ({COLUMNS}, flows bigint AS (packets) STORED);",
                     "ALTER TABLE misused MODIFY flows bigint NOT NULL DEFAULT 0"),
    "ROW_REFUSED": Fault("the backend refuses a row: .*CONSTRAINT `not_this` failed",
                         own_table("row_refused", COLUMNS + ", CONSTRAINT not_this CHECK (port_src <> 1007)")),
}


class MariaDBWorld(World):
    plugin, FAULTS, AWAY, REFUSED, crash = "mysql", FAULTS, "Can't connect", "4025", signal.SIGKILL

    def make_servers(self):
        # Sessions of `replica` only read, as those of a replica's server do.
        self.db = MariaDB(self.test, settings={"init-connect": "SET SESSION tx_read_only = (CURRENT_USER() LIKE 'replica@%')"})
        self.away = MariaDB(self.test, "away")
        self.away.sql(own_table("acct"))
        self.away.stop()
        self.db.sql("CREATE DATABASE closed; CREATE DATABASE later;" + user("root_like", "ALL ON *.*"), db="")
        self.db.sql(PROGRESS)

    def make_small(self, folder):
        """Its rows are large, so that the first ones need more room than the file has."""
        self.db.give(folder)
        self.db.sql(f"CREATE TABLE disk_full ({COLUMNS}, flows bigint NOT NULL DEFAULT 0, filler char(255) NOT NULL DEFAULT 'x', "
                    f"a char(255) NOT NULL DEFAULT 'x', b char(255) NOT NULL DEFAULT 'x', c char(255) NOT NULL DEFAULT 'x', "
                    f"KEY (filler, a, b, c), KEY (a, b, c, filler), KEY (b, c, a, filler), UNIQUE (ip_src, port_src)) DATA DIRECTORY = '{folder}'")

    def sleepers(self):
        return [row[0] for row in self.db.sql("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")]

    def hold_lock(self):
        self.test.start([self.db.client, "--no-defaults", "-S", self.db.socket, "-u", "root", "pmacct", "-e",
                         "LOCK TABLE locked WRITE; SELECT SLEEP(100)"], "locker")
        wait_for(self.sleepers, "the lock")

    def free_lock(self):
        for number in self.sleepers():
            self.db.sql(f"KILL {number}")


globals().update(tests(MariaDBWorld))

if __name__ == "__main__":
    main(globals())
