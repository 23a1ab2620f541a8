#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Decodes Avro data by Apache Avro for Python, a process of its own as that library is not in each Python: reads
[{"schema": TEXT, "datum": HEX}, ...] and writes the records, a line each. Exit status 77: the library is not there."""
import io
import json
import sys

try:
    import avro.io
    import avro.schema
except ImportError:
    sys.exit(77)

schemas = {}
for one in json.load(sys.stdin):
    schema = schemas.setdefault(one["schema"], None) or avro.schema.parse(one["schema"])
    schemas[one["schema"]] = schema
    data = io.BytesIO(bytes.fromhex(one["datum"]))
    record = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(data))
    assert not data.read(), "something stands behind the datum"
    print(json.dumps(record))
