# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads Avro data by the specification alone, so that no library of ours or of Avro has a part in it."""
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
        return {"long": self.long, "double": self.double, "string": self.string, "null": lambda: None}[kind]()

    def records(self):
        while self.at < len(self.data):
            yield {field["name"]: self.value(field["type"]) for field in self.schema["fields"]}
