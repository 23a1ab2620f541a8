# SPDX-License-Identifier: GPL-2.0-or-later
"""ClickHouse's engine for a test, and the queries of examples/distributed by their names."""
import json
import os
import re
import subprocess

from harness import SOURCE, Skip

EXAMPLE = SOURCE / "examples/distributed"


class ClickHouse:
    def __init__(self, test):
        python = os.environ.get("CHDB_PYTHON")
        if not python:
            raise Skip("CHDB_PYTHON is not set: python3 -m venv V && V/bin/pip install 'chdb==3.6.0', then CHDB_PYTHON=V/bin/python "
                       "(chdb 4 has no Kafka tables)")
        log = open(test.dir / "clickhouse.log", "wb")
        self.process = subprocess.Popen([python, SOURCE / "tests/support/clickhouse_shell.py", test.dir / "clickhouse"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        test.cleanups.append(self.process.kill)

    def query(self, sql):
        self.process.stdin.write(json.dumps(sql) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert isinstance(answer, list), (sql, answer)
        return answer

    def run(self, text):
        for statement in re.sub(r"^--.*\n", "", text, flags=re.M).split(";\n"):
            if statement.strip():
                self.query(statement)


def named_queries():
    parts = re.split(r"^-- name: (\w+)\n", (EXAMPLE / "queries.sql").read_text(), flags=re.M)
    return {name: re.sub(r"^--.*\n", "", text, flags=re.M).strip().rstrip(";") for name, text in zip(parts[1::2], parts[2::2])}
