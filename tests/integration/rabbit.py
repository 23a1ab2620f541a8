# SPDX-License-Identifier: GPL-2.0-or-later
"""A private RabbitMQ for tests: a folder, a name service (epmd) and free ports of its own on 127.0.0.1. It takes some seconds to
start, so the tests of a script share one (shared()), each with queues of its own. """
import atexit
import base64
import contextlib
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import SOURCE, Skip, free_port, need, wait_for
from server_user import ServerUser

CLIENT = SOURCE / "tests/support/rabbit_client.py"
SHARED = []


def shared():
    """The broker of this script; it ends with the script."""
    if not SHARED:
        SHARED.append(Rabbit())
        atexit.register(SHARED[0].close)
    return SHARED[0]


class Rabbit(ServerUser):
    """A broker with the user guest (password guest) and virtual host /, on `port`, and by TLS on `tls_port`, with a certificate for
    localhost that signs itself: dir/cert.pem. At `address`, another of the loopback, it has port 5672, the only one that pmacct 1.7.7
    knows. kill() and start() keep what is on disk."""

    def __init__(self):
        found = sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
        if not found:
            raise Skip("RabbitMQ (package rabbitmq-server) is not installed")
        if subprocess.run(["/usr/bin/python3", "-c", "import pika"], capture_output=True, check=False).returncode != 0:
            raise Skip("pika (package python3-pika) is not installed")
        self.program, self.epmd = found[-1], need("epmd")
        self.choose_user("RabbitMQ", "rabbitmq")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pathacct-rabbitmq-"))
        (self.dir / "log").mkdir()
        self.port, self.tls_port, distribution, names = (free_port(socket.SOCK_STREAM) for _ in range(4))
        self.address = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250 + 1}.72"
        subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], cwd=self.dir,
                       check=True, capture_output=True)
        lines = ["loopback_users = none", "log.console = true", "log.file = false",
                 f"listeners.tcp.default = 127.0.0.1:{self.port}", f"listeners.tcp.pmacct = {self.address}:5672",
                 f"listeners.ssl.default = 127.0.0.1:{self.tls_port}", "ssl_options.verify = verify_none"]
        lines += [f"ssl_options.{option} = {self.dir / name}" for option, name in
                  (("cacertfile", "cert.pem"), ("certfile", "cert.pem"), ("keyfile", "key.pem"))]
        (self.dir / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.dir / "cert.pem").chmod(0o644)
        self.dir.chmod(0o755)
        for path in (self.dir, *self.dir.iterdir()):
            self.give(path)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.dir, "LC_ALL": "C.UTF-8", "RABBITMQ_NODENAME": "test@localhost",
            "RABBITMQ_DIST_PORT": distribution, "ERL_EPMD_PORT": names, "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_MNESIA_BASE": self.dir / "mnesia",
            "RABBITMQ_LOG_BASE": self.dir / "log", "RABBITMQ_LOGS": "-", "RABBITMQ_ENABLED_PLUGINS_FILE": self.dir / "plugins",
            "RABBITMQ_CONFIG_FILE": self.dir / "rabbitmq.conf", "RABBITMQ_PID_FILE": self.dir / "pid",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}"}
        self.environment = {name: str(value) for name, value in self.environment.items()}
        self.names = self.launch([self.epmd, "-port", str(names), "-address", "127.0.0.1"], "epmd")
        self.process = None
        self.start()

    def launch(self, args, name):
        """Starts a program in a process group of its own, which dies with the test, however that ends: a second process waits for
        the end of a pipe."""
        watched = ["sh", "-c", 'exec 3<&0; (cat <&3 >/dev/null; kill -KILL 0) & exec "$@" </dev/null 3<&-', "sh"]
        with open(self.dir / f"{name}.out", "ab") as out:
            return subprocess.Popen([*self.become(), *watched, *args], cwd=self.dir, env=self.environment, stdin=subprocess.PIPE, stdout=out,
                                    stderr=subprocess.STDOUT, start_new_session=True)

    def start(self):
        self.process = self.launch([self.program], "rabbitmq")
        wait_for(self.is_ready, "RabbitMQ's port", 90)

    def is_ready(self):
        assert self.process.poll() is None, (self.dir / "rabbitmq.out").read_text()[-2000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self):
        end_group(self.process)
        # Helpers of the runtime may live in groups of their own; they end with its pipes.
        self.process.wait(30)

    def close(self):
        for process in (self.process, self.names):
            end_group(process)
            process.wait(30)
        shutil.rmtree(self.dir, ignore_errors=True)

    def ask(self, *words):
        return subprocess.run(["/usr/bin/python3", CLIENT, str(self.port), *words], capture_output=True, text=True, timeout=120,
                              check=True).stdout

    def queue(self, exchange, kind="direct", keys=("acct",), durable=False):
        """Makes an exchange with a queue that gets what has one of the routing keys, and returns the queue's name."""
        self.ask("queue", exchange, kind, "durable" if durable else "transient", f"of-{exchange}", *keys)
        return f"of-{exchange}"

    def get(self, queue):
        """Takes all messages out of a queue."""
        return [Message(json.loads(line)) for line in self.ask("get", queue).splitlines()]


class Message:
    def __init__(self, fields):
        self.__dict__.update(fields)
        self.body = base64.b64decode(fields["body"])

    def identity(self):
        """What tells it from all others, which is the same when its rows are sent again."""
        return tuple(self.headers[name] for name in ("core_id", "instance", "worker", "seq", "rows"))


def end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def distinct(messages):
    """The first message of each identity."""
    return list({message.identity(): message for message in reversed(messages)}.values())
