# SPDX-License-Identifier: GPL-2.0-or-later
"""ClickHouse's engine as a process (package chdb): a JSON string of SQL on each line of standard input, the rows that it gives
as a JSON array on each line of standard output, or an object with the error. Needs a Python that has chdb."""
import json
import sys

from chdb import session

engine = session.Session(sys.argv[1])
for line in sys.stdin:
    try:
        text = str(engine.query(json.loads(line), "JSONEachRow"))
        answer = [json.loads(row) for row in text.splitlines()]
    except Exception as error:  # whatever the engine does not like
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
engine.close()
