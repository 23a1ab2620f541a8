# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks a daemon's control interface, on its Unix socket or its TCP port."""
import http.client
import json
import re
import socket
from urllib.parse import quote


class LocalConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self.path))


def ask(where, page, method="GET", **headers):
    """Status, headers and text of a page; `where` is a port or the path of a socket."""
    connection = http.client.HTTPConnection("127.0.0.1", where, timeout=30) if isinstance(where, int) else LocalConnection(where)
    connection.request(method, page, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


class Api:
    """The pages below /api/v1/; every answer is held against the schema that the daemon gives."""

    def __init__(self, where):
        self.where = where
        self.document = json.loads(ask(where, "/api/v1/openapi.json")[2])

    def get(self, page, status=200, **parameters):
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
        told, headers, text = ask(self.where, f"/api/v1/{page}" + (f"?{query}" if query else ""))
        assert told == status and headers["Content-Type"] == "application/json", (told, text)
        answer = json.loads(text)
        get = self.document["paths"][f"/api/v1/{page}"]["get"]
        assert set(parameters) <= {p["name"] for p in get["parameters"]}, page
        responses = get["responses"]
        self.check(answer, responses.get(str(told), responses["default"])["content"]["application/json"]["schema"], page)
        return answer

    def check(self, value, schema, place):
        """What OpenAPI 3.0 says of those words that the document uses; a word that it does not use is not known here."""
        assert set(schema) <= {"$ref", "allOf", "nullable", "type", "items", "properties", "required", "additionalProperties", "description"}, schema
        if "$ref" in schema:
            return self.check(value, self.document["components"]["schemas"][re.fullmatch("#/components/schemas/(.*)", schema["$ref"])[1]], place)
        if value is None:
            assert schema.get("nullable"), f"{place} is null"
            return None
        for part in schema.get("allOf", []):
            self.check(value, part, place)
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
        if "type" in schema:
            assert isinstance(value, kinds[schema["type"]]) and (schema["type"] == "boolean" or not isinstance(value, bool)), f"{place}: {value}"
        for n, item in enumerate(value if schema.get("type") == "array" else []):
            self.check(item, schema["items"], f"{place}[{n}]")
        if schema.get("type") == "object":
            known, more = schema.get("properties", {}), schema["additionalProperties"]
            assert set(schema.get("required", [])) <= set(value), f"{place} lacks {set(schema['required']) - set(value)}"
            for name, item in value.items():
                assert name in known or more, f"{place}.{name} is not in the document"
                self.check(item, known.get(name, more), f"{place}.{name}")
        return None
