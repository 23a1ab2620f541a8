#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL tables are exact whatever is killed: plugin and server at fifty random points of a run, and the core."""
import signal

from harness import main, need_built
from postgres import Postgres
from sql_kills import Ways, kill_at_random_points, kill_the_core

COLUMNS = ("ip_src inet, ip_dst inet, port_src int, port_dst int, ip_proto int, stamp_inserted timestamp, stamp_updated timestamp, "
           "flows bigint, packets bigint, bytes bigint")
WAYS = Ways("pgsql", {"upserted": "sql_table_create", "matched": "", "copied": "sql_dont_try_update sql_use_copy"},
            f"CREATE TABLE matched ({COLUMNS}); CREATE TABLE copied ({COLUMNS}); GRANT ALL ON matched, copied TO pmacct")


def test_kill_9_of_plugin_and_server_at_fifty_random_points(test):
    need_built("pgsql")
    kill_at_random_points(test, WAYS, [Postgres(test, "one"), Postgres(test, "two")], 300000, 12, 26, [signal.SIGQUIT, signal.SIGKILL])


def test_kill_9_of_the_core(test):
    kill_the_core(test, WAYS, Postgres(test), 20000)


if __name__ == "__main__":
    main(globals())
