#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command pathacct beside a running daemon: what it shows, its exit status, and how it finds whom to ask."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

from harness import BUILD, SOURCE, free_port, main, need, need_root, wait_for
from bgp_speaker import Speaker, add_path_send, attribute, attributes, four_octet_as, multiprotocol, prefix, update
import exports

PATHACCT = BUILD / "bin/pathacct"


def start(test, more="", **kwargs):
    test.bgp, test.http, test.socket = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), test.dir / "control.sock"
    return test.nfacctd(f"plugins: print[a]\naggregate[a]: src_host,dst_host\nprint_output[a]: json\nprint_refresh_time[a]: 1\n"
                        f"print_output_file[a]: {test.dir}/out-%s.json\ncontrol_socket: {test.socket}\nhttp_listen: 127.0.0.1:{test.http}\n"
                        f"bgp_daemon: true\nbgp_daemon_ip: 127.0.0.1\nbgp_daemon_port: {test.bgp}\n{more}", **kwargs)


def run(*args, prefix=()):
    """Exit status, and what it says on standard output and standard error."""
    done = subprocess.run([*prefix, PATHACCT, *map(str, args)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def send_flows(test, count):
    stream = exports.Ipfix()
    test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", f"192.168.1.{n}", "10.0.0.9", octets=700) for n in range(count)]),
              source="127.0.0.5")


def test_status_of_a_daemon_that_is_well(test):
    start(test)
    send_flows(test, 10)
    wait_for(lambda: run("-s", test.socket)[0] == 0, lambda: f"well: {run('-s', test.socket)}")
    status, out, err = run("-s", test.socket, "status")
    assert status == 0 and err == "" and out.startswith("nfacctd default, pathacct ") and ": all is well\n" in out and "FAULT" not in out, out
    assert "1 exporters, 10 flows so far" in out and "BGP      0 of 0 sessions" in out and len(out.splitlines()) <= 24
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("a ")] == [["a", "print"]]
    assert run("-u", f"http://127.0.0.1:{test.http}")[0] == 0 and run("-u", f"127.0.0.1:{test.http}", "peers")[0] == 1


def test_faults_are_told_in_one_line_each(test):
    (test.dir / "file").write_text("no folder")
    daemon = start(test, f"bgp_daemon_connect: 127.0.0.99\nplugins: print[a], print[b]\naggregate[b]: dst_host\nprint_refresh_time[b]: 1\n"
                   f"print_output_file[b]: {test.dir}/file/out\n")
    send_flows(test, 10)
    status, out, _ = wait_for(lambda: (r := run("-s", test.socket)) and "FAULT  plugin print[b]: " in r[1] and r, "a backend that does not take rows")
    faults = [line for line in out.splitlines() if line.startswith("FAULT")]
    assert status == 1 and f": {len(faults)} faults\n" in out and any("no session with 127.0.0.99" in line for line in faults), out
    assert run("-s", test.socket, "plugins")[0] == 1
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait()
    status, out, err = run("-s", test.socket)
    assert status == 3 and out == "" and err.count("\n") == 1 and "no daemon runs" in err, err


def test_tables(test):
    start(test)
    router = Speaker(test, test.bgp, capabilities=multiprotocol(1, 1) + four_octet_as(65000) + add_path_send((1, 1))).establish()
    router.send(*(update(attributes((65000 + n, 65009), f"10.0.0.{n}", attribute(0x40, 5, bytes([0, 0, 0, n])) + attribute(0xc0, 8, b"\xfd\xe8\0\1")),
                         prefix("192.168.0.0/16", n)) for n in (1, 2)))
    send_flows(test, 10)
    ask = lambda *args: run("-s", test.socket, *args)
    wait_for(lambda: ask("routes", "192.168.1.1")[1].count("\n") == 4, lambda: ask("routes", "192.168.1.1"))
    status, out, _ = ask("routes", "192.168.1.1")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0 and out.startswith("192.168.0.0/16: 2 paths\n"), out
    assert lines[2][:5] == ["*>", "127.0.0.21", "2", "10.0.0.2", "2"] and lines[2][6:9] == ["65002", "65009", "i"] and lines[2][-1] == "65000:1", out
    assert lines[3][:3] == ["127.0.0.21", "1", "10.0.0.1"], out
    assert ask("routes", "192.168.0.0/16")[1] == out or "ago" not in out
    assert ask("routes", "10.9.9.9") == (1, "no path\n", "") and ask("routes", "192.168.1.1", "--peer", "127.0.0.99")[0] == 1
    assert "127.0.0.21" in ask("peers")[1] and "yes, ADD-PATH" in ask("peers")[1] and ask("peers")[0] == 0
    status, out, _ = wait_for(lambda: (r := ask("exporters")) and r[0] == 0 and " 10 " in r[1] and r, "the exporter")
    assert out.splitlines()[1].split()[0] == "127.0.0.5"
    assert ask("exporters", "127.0.0.77")[0] == 1
    wait_for(lambda: [line.split() for line in ask("ledger")[1].splitlines() if " written " in line][0][2] == "10", "written flows")
    status, out, _ = ask("templates")
    assert status == 0 and "127.0.0.5" in out and " sourceIPv4Address " in out and "(destinationTransportPort)" in out, out
    long = subprocess.run(["script", "-qec", f"stty cols 40; {PATHACCT} -s {test.socket} templates; {PATHACCT} -s {test.socket} routes 192.168.1.1", "/dev/null"],
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL).stdout if shutil.which("script") else out + "65000:1"
    assert "(destinationTransportPort)" in long and "65000:1" in long, "lists of fields and paths are not cut"
    assert ask("templates", "127.0.0.77")[0] == 1 and ask("options")[0] == 1
    assert "print" in ask("plugins")[1] and "waiting for NetFlow/IPFIX data" in ask("log")[1]
    assert f"print_refresh_time[a]: 1    ! {test.dir}/nfacctd.conf:4" in ask("configuration")[1]
    for command in ("status", "exporters", "peers", "templates", "options", "plugins", "ledger", "log", "configuration"):
        assert isinstance(json.loads(ask("--json", command)[1]), dict)


def test_wrong_questions(test):
    start(test)
    for args, words in ((["routes"], "routes ADDRESS|PREFIX"), (["rout"], "--help"), (["routes", "1.2.3.4", "5"], "one argument"), (["peers", "x"], "peers"),
                        (["routes", "nowhere"], "192.0.2.1"), (["--limit", "x", "exporters"], "limit"), (["--watch=0"], "0.1"),
                        (["--nonsense"], "--help")):
        status, out, err = run("-s", test.socket, *args)
        assert status == 2 and out == "" and words in err and err.startswith("pathacct: " if "--nonsense" not in args else ""), (args, err)
    assert run("-u", "ftp://127.0.0.1")[0] == 2
    assert run("-u", f"https://127.0.0.1:{free_port(socket.SOCK_STREAM)}")[0] == 3
    status, _, err = run("-u", f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}")
    assert status == 3 and "http_listen" in err
    assert run("--help")[0] == 0 and run("--version")[1].startswith("pathacct ")


def test_https(test):
    """The certificate is verified: by whom it is signed, and for which host. What is wrong is said, with what to do."""
    cert, key, other = test.dir / "cert.pem", test.dir / "key.pem", test.dir / "other.pem"
    for names, out in (("IP:127.0.0.1,DNS:localhost", cert), ("IP:127.0.0.1", other)):
        subprocess.run([need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                        "-addext", f"subjectAltName={names}", "-keyout", key if out == cert else test.dir / "other.key", "-out", out],
                       check=True, capture_output=True, timeout=60)
    token = test.write("token", "0123456789abcdef-of-the-test\n")
    start(test, f"http_tls_cert: {cert}\nhttp_tls_key: {key}\nhttp_token_file: {token}\n")
    url, good = f"https://127.0.0.1:{test.http}", ("--token-file", token, "--ca-file", cert)
    assert run("-u", url, *good, "ledger")[0] == 0 and run("-u", f"https://localhost:{test.http}", *good, "ledger")[0] == 0
    for args, status, words in (((url, "--token-file", token), 3, "--ca-file"), ((url, "--token-file", token, "--ca-file", other), 3, "refused"),
                                ((f"https://127.0.0.2:{test.http}", *good), 3, ""), ((url, "--ca-file", cert), 4, "--token-file"),
                                ((url, "--ca-file", token), 3, "no certificate in PEM"), ((f"http://127.0.0.1:{test.http}", "--token-file", token), 4, "https://")):
        told = run("-u", *args, "ledger")
        assert told[0] == status and words in told[2] and told[1] == "" and told[2].count("\n") == 1, (args, told)
    wrong_name = test.dir / "wrong.pem"
    subprocess.run(["openssl", "req", "-x509", "-key", key, "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:elsewhere", "-out", wrong_name],
                   check=True, capture_output=True, timeout=60)
    test.processes[-1].stop()
    start(test, f"http_tls_cert: {wrong_name}\nhttp_tls_key: {key}\n", name="second")
    told = run("-u", f"https://127.0.0.1:{test.http}", "--ca-file", wrong_name, "ledger")
    assert told[0] == 3 and "does not name 127.0.0.1" in told[2], told
    test.processes[-1].stop()
    start(test, name="plain")
    told = run("-u", f"https://127.0.0.1:{test.http}", "ledger")
    assert told[0] == 3 and "http://" in told[2], told


def serve_once(test, answer):
    """The path of a socket where one question gets these bytes."""
    path = test.dir / f"fake-{len(test.cleanups)}.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    test.cleanups.append(listener.close)

    def answer_it():
        s, _ = listener.accept()
        s.recv(4096)
        s.sendall(answer)
        s.close()
    threading.Thread(target=answer_it, daemon=True).start()
    return path


def test_answers_of_others_do_no_harm(test):
    """What answers may be anything: no byte of it steers the terminal, and none ends the program badly."""
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    for answer in (b"", b"HTTP/1.0 200", b"SSH-2.0-OpenSSH\r\n", head, head + b"[1,", head + b"\xff\xfe", b"HTTP/1.0 404 x\r\n\r\nno"):
        assert run("-s", serve_once(test, answer))[0] == 4, answer
    for command, answer in (("status", b"[]"), ("status", b'{"instances": 5, "reasons": [1, {}]}'), ("routes", b'{"prefixes": [7, {"paths": [null, {}]}]}'),
                            ("peers", b'{"peers": [{"ipv4": 1}]}'), ("log", b'{"lines": [{"text": "a\\u001b[2Jb"}]}'), ("exporters", b"3"), ("ledger", b'{"instances": [{"drops": []}]}')):
        status, out, err = run("-s", serve_once(test, head + answer), command, *(["1.2.3.4"] if command == "routes" else []))
        assert status in (0, 1, 4) and "\x1b" not in out and "\x1b" not in err, (command, out, err)


def test_it_finds_the_daemon_that_runs(test):
    """With a /run/pathacct of its own: none, one, two daemons, and one whose process is gone."""
    need_root()
    need("unshare", "nsenter")
    room = ["unshare", "-m", "sh", "-c", 'mkdir -p /run/pathacct /tmp/pathacct-0 && mount -t tmpfs t /run/pathacct && mount -t tmpfs t /tmp/pathacct-0 && exec "$@"', "sh"]
    status, _, err = run(prefix=room)
    assert status == 3 and "no daemon runs here: start one" in err and err.count("\n") == 1, err
    config = f"plugins: print[a]\naggregate[a]: src_host\nprint_output_file[a]: {test.dir}/out-%s\n"
    one = test.nfacctd(config, name="one", prefix=room)
    inside = ["nsenter", "-t", str(one.pid), "-m"]
    assert json.loads(run("-j", prefix=inside)[1])["daemon"] == "nfacctd"
    two = test.nfacctd(config, name="two", prefix=inside)
    status, _, err = run(prefix=inside)
    assert status == 2 and "2 daemons run here" in err and err.count(".control") == 2, err
    two.signal(signal.SIGKILL)
    two.wait()
    assert run("-j", prefix=inside)[1] != "", "the socket of a dead daemon is passed over"


def test_watch(test):
    start(test)
    watching = subprocess.Popen([PATHACCT, "-s", str(test.socket), "-j", "--watch=0.1", "ledger"], stdout=subprocess.PIPE, text=True)
    lines = [json.loads(watching.stdout.readline()) for _ in range(3)]
    watching.terminate()
    watching.wait(30)
    watching.stdout.close()
    assert all(line["instances"][0]["name"] == "a" for line in lines)
    following = subprocess.Popen([PATHACCT, "-s", str(test.socket), "--watch=0.1", "log"], stdout=subprocess.PIPE, text=True)
    seen = [following.stdout.readline()]
    test.send(b"nonsense", source="127.0.0.6")
    while "127.0.0.6" not in seen[-1]:
        seen.append(following.stdout.readline())
        assert seen[-1], seen
    following.terminate()
    following.wait(30)
    following.stdout.close()
    assert len(set(seen)) == len(seen), "no line comes twice"


def test_completion(test):
    """bash completes commands and options, and knows those that the program has."""
    need("bash")
    script = SOURCE / "src/pathacct/pathacct.bash"
    told = subprocess.run(["bash", "-c", f'. {script}; COMP_WORDS=(pathacct ""); COMP_CWORD=1; _pathacct; echo "${{COMPREPLY[@]}}"; '
                           'COMP_WORDS=(pathacct --); _pathacct; echo "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True, timeout=30).stdout
    commands, options = [line.split() for line in told.splitlines()]
    help_text = run("--help")[1]
    assert commands == [line.split()[0] for line in help_text.splitlines() if line.startswith("  ") and not line.strip().startswith("-")]
    assert all(option in help_text for option in options) and len(options) == 11


if __name__ == "__main__":
    sys.exit(main(globals()))
