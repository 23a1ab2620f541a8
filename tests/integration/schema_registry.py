# SPDX-License-Identifier: GPL-2.0-or-later
"""A schema registry for tests, as far as its documented API is used (https://docs.confluent.io/platform/current/schema-registry/
develop/api.html), with faults on command; and readers who decode messages by the schemas that they get from it."""
import base64
import http.server
import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request

from avro_reader import AvroReader
from harness import SOURCE, Skip, free_port

FIRST_ID = 0x12345  # three bytes that differ


def is_compatible(new, old):
    """BACKWARD, as far as these schemas go: who knows the new schema reads data of the old."""
    known = {field["name"]: field for field in old["fields"]}
    return all("default" in field or known.get(field["name"], {}).get("type") == field["type"] for field in new["fields"])


class Registry:
    """Listens on `port` until close(); stop() and start() make an outage, over which it keeps what it knows."""

    def __init__(self, test, certificate=None, user=None):
        self.port, self.certificate, self.user = free_port(socket.SOCK_STREAM), certificate, user
        self.subjects = {}  # name: [id, ...]
        self.texts = {}  # id: schema as it came
        self.compatibility = {}  # subject: level; BACKWARD unless it is there
        self.requests = []  # (method, path), in order
        self.fault = None  # a function of the handler, in place of an answer
        self.server = None
        self.start()
        test.cleanups.append(self.stop)

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                registry.requests.append((self.command, self.path))
                if registry.fault:
                    return registry.fault(self)
                if registry.user and self.headers.get("Authorization") != "Basic " + base64.b64encode(registry.user.encode()).decode():
                    return self.answer(401, {"error_code": 401, "message": "Unauthorized"})
                return self.answer(*registry.handle(self.command, self.path, body))

            do_GET = do_POST = do_PUT = handle_one

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, client_address):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def start_unless_it_runs(self):
        if not self.server:
            self.start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def handle(self, method, path, body):
        parts = path.strip("/").split("/")
        if method == "POST" and parts[0] == "subjects" and parts[2:] == ["versions"]:
            return self.register(parts[1], json.loads(body)["schema"])
        if method == "POST" and parts[:2] == ["compatibility", "subjects"] and parts[3:] == ["versions", "latest"]:
            if parts[2] not in self.subjects:
                return 404, {"error_code": 40401, "message": f"Subject '{parts[2]}' not found."}
            return 200, {"is_compatible": self.accepts(parts[2], json.loads(json.loads(body)["schema"]))}
        if method == "GET" and parts[:2] == ["schemas", "ids"] and int(parts[2]) in self.texts:
            return 200, {"schema": self.texts[int(parts[2])]}
        if method == "GET" and parts == ["subjects"]:
            return 200, sorted(self.subjects)
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def accepts(self, subject, schema):
        ids = self.subjects.get(subject)
        return not ids or self.compatibility.get(subject) == "NONE" or is_compatible(schema, json.loads(self.texts[ids[-1]]))

    def register(self, subject, text):
        try:
            schema = json.loads(text)
            names = [field["name"] for field in schema["fields"]]
            assert schema["type"] == "record" and schema["name"] and len(set(names)) == len(names)
        except (ValueError, KeyError, AssertionError):
            return 422, {"error_code": 42201, "message": "Invalid Avro schema"}
        if not self.accepts(subject, schema):
            return 409, {"error_code": 409, "message": f'Schema being registered is incompatible with an earlier schema for subject "{subject}"'}
        known = [number for number, other in self.texts.items() if json.loads(other) == schema]
        number = known[0] if known else FIRST_ID + len(self.texts)
        self.texts[number] = text
        if number not in self.subjects.setdefault(subject, []):
            self.subjects[subject].append(number)
        return 200, {"id": number}

    def registrations(self):
        return [path.split("/")[2] for method, path in self.requests if method == "POST" and path.endswith("/versions")]


# ---- faults: what it may do in place of an answer ----

def with_status(status, code=None, message="no"):
    return lambda handler: handler.answer(status, {"error_code": code or status, "message": message})


def with_body(body):
    def fault(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return fault


def with_endless_body(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        handler.close_connection = True


def with_redirection(url):
    def fault(handler):
        handler.send_response(301)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return fault


def with_silence(handler):
    time.sleep(60)
    handler.close_connection = True


# ---- readers ----

def split(payload):
    """The id of the schema, and the datum behind it."""
    magic, number = struct.unpack(">BI", payload[:5])
    assert magic == 0, payload
    return number, payload[5:]


def fetch(registry, number):
    """The schema, as a reader asks for it."""
    with urllib.request.urlopen(f"{registry.url}/schemas/ids/{number}", timeout=30) as answer:
        return json.load(answer)["schema"]


def read(registry, payloads):
    """The records, by the specification of Avro alone."""
    schemas, records = {}, []
    for number, datum in map(split, payloads):
        if number not in schemas:
            schemas[number] = json.loads(fetch(registry, number))
        records += AvroReader(schemas[number], datum).records()
    return records


def decode(registry, payloads):
    """(name of the schema's record, record) of each message, by Apache Avro for Python and schemas that are asked for by id."""
    pairs = [split(payload) for payload in payloads]
    schemas = {number: fetch(registry, number) for number, _ in pairs}
    question = json.dumps([{"schema": schemas[number], "datum": datum.hex()} for number, datum in pairs])
    for python in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([python, SOURCE / "tests/support/avro_decode.py"], input=question, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 77:
            break
    else:
        raise Skip("Apache Avro for Python (Debian: python3-avro) is not there")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [(json.loads(schemas[number])["name"], record) for (number, _), record in zip(pairs, records)]
