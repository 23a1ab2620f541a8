# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads Avro data by the specification alone, so that no library of ours or of Avro has a part in it."""
import json
import struct


class AvroReader:
    """Binary Avro by the specification (1.11.1, "Binary Encoding"), as far as the schemas here go."""

    def __init__(self, schema, data):
        self.schema, self.data, self.at = schema, data, 0

    def long(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value >> 1 ^ -(value & 1)

    def string(self):
        length = self.long()
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def double(self):
        self.at += 8
        return struct.unpack("<d", self.data[self.at - 8:self.at])[0]

    def blocks(self):
        while count := self.long():
            assert count > 0, "a block with its size, which is not read here"
            yield from range(count)

    def value(self, kind):
        if isinstance(kind, list):
            return self.value(kind[self.long()])
        if isinstance(kind, dict) and kind["type"] == "array":
            return [self.value(kind["items"]) for _ in self.blocks()]
        if isinstance(kind, dict) and kind["type"] == "map":
            return {self.string(): self.value(kind["values"]) for _ in self.blocks()}
        return {"long": self.long, "int": self.long, "double": self.double, "string": self.string, "null": lambda: None}[kind]()

    def bytes(self, length):
        self.at += length
        assert self.at <= len(self.data), "the data ends within a value"
        return self.data[self.at - length:self.at]

    def records(self):
        while self.at < len(self.data):
            yield {field["name"]: self.value(field["type"]) for field in self.schema["fields"]}


def container_records(data):
    """The records of an object container file, of which each block is looked at."""
    reader, meta = AvroReader(None, data), {}
    assert reader.bytes(4) == b"Obj\1"
    for _ in reader.blocks():
        key = reader.string()
        meta[key] = reader.bytes(reader.long())
    marker = reader.bytes(16)
    assert meta.get("avro.codec", b"null") == b"null"
    schema, records = json.loads(meta["avro.schema"]), []
    while reader.at < len(data):
        count, length = reader.long(), reader.long()
        found = list(AvroReader(schema, reader.bytes(length)).records())
        assert len(found) == count and reader.bytes(16) == marker
        records += found
    return records
