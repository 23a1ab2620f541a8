#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves what happens when something goes wrong between the pgsql plugin and its server: one test for each row of
src/plugins/pgsql/faults.def."""
import re
import signal

from harness import main, wait_for
from postgres import PASSWORD, Postgres
from sql_faults import Fault, World, table, tests

COLUMNS = ("ip_src inet NOT NULL DEFAULT '0.0.0.0', port_src int NOT NULL DEFAULT 0, packets bigint NOT NULL DEFAULT 0, "
           "bytes bigint NOT NULL DEFAULT 0")
STAMPS = "stamp_inserted timestamp NOT NULL DEFAULT '1970-01-01', stamp_updated timestamp NOT NULL DEFAULT '1970-01-01', "


def own_table(name, columns=COLUMNS, more="", key="ip_src, port_src"):
    return table(name, columns, more, key)


FAULTS = {
    "LOGIN_REFUSED": Fault("password authentication failed for user \"stranger\".*; check sql_user, sql_passwd",
                           "CREATE ROLE stranger LOGIN PASSWORD 'other';" + own_table("login_refused") + "GRANT ALL ON login_refused TO stranger;",
                           f"ALTER ROLE stranger PASSWORD '{PASSWORD}'; GRANT ALL ON pathacct_progress TO stranger;",
                           "sql_user[login_refused]: stranger\nsql_host[login_refused]: 127.0.0.1\n"),
    "DATABASE_MISSING": Fault("database \"nowhere\" does not exist .*; check sql_db", fix="CREATE DATABASE nowhere OWNER pmacct",
                              keys="sql_db[database_missing]: nowhere\nsql_table_create[database_missing]: true\n"),
    "TABLE_MISSING": Fault("there is no table \"table_missing\" in database pmacct; create the table", fix=own_table("table_missing") + "GRANT ALL ON table_missing TO pmacct"),
    "COLUMN_MISSING": Fault("table \"column_missing\" lacks columns of `aggregate`; run ALTER TABLE", f"CREATE TABLE column_missing ({COLUMNS});",
                            fix=lambda line: re.search(r"run (ALTER TABLE .*)", line)[1]),
    "TABLE_UNFIT": Fault("column site of table \"table_unfit\" is NOT NULL without a default", own_table("table_unfit", COLUMNS + ", site text NOT NULL"),
                         "ALTER TABLE table_unfit ALTER COLUMN site SET DEFAULT ''"),
    "RIGHT_MISSING": Fault("permission denied for table right_missing .*; GRANT what is missing", own_table("right_missing"),
                           "GRANT ALL ON right_missing TO pmacct"),
    "PROGRESS_MISSING": Fault("no right to keep pathacct_progress.*or set sql_exactly_once: false", own_table("progress_missing"),
                              lambda line: re.search(r"run (CREATE TABLE .*); or set", line)[1], "sql_db[progress_missing]: closed\n", db="closed"),
    "PROGRESS_LATER": Fault("pathacct_progress is of version 2, and this program knows version 1: start the later version again",
                            own_table("progress_later") + "GRANT ALL ON progress_later TO pmacct; CREATE TABLE pathacct_progress (core_id CHAR(32) NOT NULL, "
                            "instance VARCHAR(255) NOT NULL, worker INTEGER NOT NULL, seq BIGINT NOT NULL, updated BIGINT NOT NULL, "
                            "PRIMARY KEY (core_id, instance, worker)); INSERT INTO pathacct_progress VALUES ('version', '', 0, 2, 9223372036854775807); "
                            "ALTER TABLE pathacct_progress OWNER TO pmacct;",
                            "UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'", "sql_db[progress_later]: later\n", db="later"),
    "PARTITION_MISSING": Fault("no partition of relation \"partition_missing\" found for row.*create the partition",
                               own_table("partition_missing", STAMPS + COLUMNS, "PARTITION BY RANGE (stamp_inserted)", key="stamp_inserted, ip_src, port_src"),
                               "CREATE TABLE later PARTITION OF partition_missing DEFAULT; GRANT ALL ON later TO pmacct",
                               "sql_history[partition_missing]: 1m\n"),
    "LOCKED": Fault("lock timeout .*another session holds a lock", own_table("locked")),
    "DISK_FULL": Fault("No space left on device .*make room on the server's disk"),
    "STANDBY": Fault("read-only transaction .*set sql_host to the primary",
                     "CREATE ROLE reader LOGIN IN ROLE pmacct; ALTER ROLE reader SET default_transaction_read_only = on;" + own_table("standby") +
                     "GRANT ALL ON standby TO reader;",
                     "ALTER ROLE reader RESET ALL; GRANT ALL ON pathacct_progress TO reader", "sql_user[standby]: reader\n"),
    "BUSY": Fault("too many connections for role \"crowd\"", "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0;" + own_table("busy") + "GRANT ALL ON busy TO crowd;",
                  "ALTER ROLE crowd CONNECTION LIMIT -1; GRANT ALL ON pathacct_progress TO crowd", "sql_user[busy]: crowd\n"),
    "MISUSED": Fault("column \"flows\" can only be updated to DEFAULT",
                     f"CREATE TABLE misused ({COLUMNS}, flows bigint GENERATED ALWAYS AS (packets) STORED);",
                     "ALTER TABLE misused ALTER COLUMN flows DROP EXPRESSION"),
    "ROW_REFUSED": Fault("the backend refuses a row: .*violates check constraint \"not_this\"",
                         own_table("row_refused", COLUMNS + ", CONSTRAINT not_this CHECK (port_src <> 1007)")),
}


class PostgresWorld(World):
    plugin, FAULTS, REFUSED, crash = "pgsql", FAULTS, "23514", signal.SIGQUIT
    AWAY = "could not connect|Connection refused|No such file"

    def make_servers(self):
        self.db = Postgres(self.test)
        self.away = Postgres(self.test, "away")
        self.away.sql(own_table("acct") + "GRANT ALL ON acct TO pmacct")
        self.away.stop()
        for name in ("closed", "later"):
            self.db.sql(f"CREATE DATABASE {name} OWNER postgres", db="postgres")

    def grant(self, name, fault):
        is_left_out = name == "RIGHT_MISSING" or f"TABLE {name.lower()}" not in fault.setup
        return "" if is_left_out else f"GRANT ALL ON {name.lower()} TO pmacct"

    def make_small(self, folder):
        space = folder / "space"
        space.mkdir()
        self.db.give(space)
        self.db.sql(f"CREATE TABLESPACE small LOCATION '{space}'", db="postgres")
        self.db.sql(own_table("disk_full", more="TABLESPACE small") + "GRANT ALL ON disk_full TO pmacct")

    def hold_lock(self):
        self.test.start([self.db.bin / "psql", "-X", "-q", "-h", self.db.host, "-p", str(self.db.port), "-U", "postgres", "-d", "pmacct", "-c",
                         "BEGIN; LOCK TABLE locked; SELECT pg_sleep(100)"], "locker")
        wait_for(lambda: self.db.value("SELECT count(*) FROM pg_locks WHERE relation = 'locked'::regclass") != "0", "the lock")

    def free_lock(self):
        self.db.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'locked'::regclass AND granted")


globals().update(tests(PostgresWorld))

if __name__ == "__main__":
    main(globals())
