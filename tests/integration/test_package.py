#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that `cmake --install` puts everything into the usual places, and what it installed works from there."""
import os
import pathlib
import re
import stat
import subprocess

from harness import BUILD, NFACCTD, PMBGPD, PMBMPD, SFACCTD, SOURCE, Skip, main, need, need_root

EXPECTED = ["usr/sbin/nfacctd", "usr/sbin/sfacctd", "usr/sbin/pmbgpd", "usr/share/man/man8/pmbgpd.8", "usr/lib/systemd/system/pmbgpd.service",
            "etc/pathacct/pmbgpd.conf", "usr/sbin/pmbmpd", "usr/share/man/man8/pmbmpd.8", "usr/lib/systemd/system/pmbmpd.service", "etc/pathacct/pmbmpd.conf", "usr/share/man/man8/sfacctd.8", "usr/lib/systemd/system/sfacctd.service",
            "etc/pathacct/sfacctd.conf", "usr/bin/pmacct", "usr/share/man/man1/pmacct.1", "usr/bin/pathacct", "usr/share/man/man1/pathacct.1",
            "usr/share/bash-completion/completions/pathacct", "usr/libexec/pathacct-host", "usr/share/man/man8/pathacct-host.8",
            "usr/share/man/man8/pathacct-setup-service.8",
            "usr/include/pathacct_plugin.h", "usr/lib/pkgconfig/pathacct.pc", "usr/lib/cmake/pathacct/pathacct-config.cmake",
            "usr/lib/cmake/pathacct/pathacct-targets.cmake", "usr/share/man/man8/nfacctd.8",
            "usr/share/man/man5/nfacctd.conf.5", "usr/share/man/man7/pathacct-primitives.7", "usr/share/man/man3/pathacct_plugin.3",
            "usr/lib/systemd/system/nfacctd.service", "etc/pathacct/nfacctd.conf", "usr/lib/sysusers.d/pathacct.conf",
            "usr/lib/tmpfiles.d/pathacct.conf", "usr/sbin/pathacct-setup-service"]

DAEMONS = ("nfacctd", "sfacctd", "pmbgpd", "pmbmpd")


def run(*args, **kwargs):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def release_only():
    cache = (BUILD / "CMakeCache.txt").read_text()
    if "SANITIZE:STRING=\n" not in cache:
        raise Skip("built with a sanitizer; packages are made of the release build")


def test_installation_is_whole(test):
    release_only()
    root = installed(test)
    files = {os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names}
    missing = [f for f in EXPECTED if f not in files]
    assert not missing, f"not installed: {missing}\n" + "\n".join(sorted(files))
    for name in DAEMONS:
        unit = (root / f"usr/lib/systemd/system/{name}.service").read_text()
        variable = f"{name.upper()}_CONF"
        assert f"ExecStart=/usr/sbin/{name} -f ${{{variable}}} $DAEMON_OPTS\n" in unit and f"Environment={variable}=/etc/pathacct/{name}.conf\n" in unit, unit
        # All units have one folder for sockets, which systemd would take away when one stops.
        assert "RuntimeDirectory=pathacct\n" in unit and "RuntimeDirectoryPreserve=yes\n" in unit, unit
    assert any(f.endswith("pathacct/print.so") for f in files), sorted(files)


def test_installed_tree_works(test):
    release_only()
    run("cmake", "--install", BUILD, "--prefix", test.dir / "usr")
    nfacctd = test.dir / "usr/sbin/nfacctd"
    assert "pathacct" in run(nfacctd, "-V")
    assert "peer_dst_ip" in run(nfacctd, "-a")
    conf = test.write("ok.conf", "plugins: print[x]\naggregate[x]: src_host\n")
    run(nfacctd, "-f", conf, "--check")


def installed(test):
    """The root of a system in which the package was put, with nothing but root in its lists of users."""
    root = test.dir / "root"
    run("cmake", "--install", BUILD, "--prefix", "/usr", env={**os.environ, "DESTDIR": str(root)})
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    return root


def setup_service(root):
    return run(root / "usr/sbin/pathacct-setup-service", "--root", root)


def state(root):
    """Owner, group and mode of each file, and what links lead to."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = pathlib.Path(folder, name)
            status = path.lstat()
            found[str(path.relative_to(root))] = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode),
                                                  os.readlink(path) if path.is_symlink() else "")
    return found


def test_units_are_closed_in(test):
    """`systemd-analyze security` finds less than 2.0 of 10 exposed."""
    need("systemd-analyze")
    root = installed(test)
    for name in DAEMONS:
        unit = root / f"usr/lib/systemd/system/{name}.service"
        told = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
        assert exposure and float(exposure[1]) < 2.0, told
        text = unit.read_text()
        assert "User=pathacct\n" in text and "DynamicUser" not in text and "NoNewPrivileges=yes\n" in text, text
        for commented in ("LoadCredential=", "ReadWritePaths=", "UMask=", "MemoryMax="):
            assert f"\n#{commented}" in text, f"no commented line {commented} in\n{text}"


def test_packaged_configurations_are_right_with_and_without_their_marks(test):
    for program in (NFACCTD, SFACCTD):
        text = (SOURCE / f"packaging/{program.name}.conf").read_text()
        unmarked = re.sub(r"^!(?=\w)", "", text, flags=re.M).replace("imt_group[now]: pathacct", "imt_group[now]: root").replace(
            "plugins: print[matrix]", "plugins: print[matrix], memory[now]", 1)
        assert "imt_mode[now]: 660" in unmarked and "user: pathacct" in unmarked
        for number, shown in enumerate((text, unmarked.replace("user: pathacct", "user: root"))):
            done = subprocess.run([program, "-f", test.write(f"{number}.conf", shown), "--check"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and "warning" not in done.stderr, done


def test_packaged_configurations_of_routes_are_right_with_and_without_their_marks(test):
    for program, peers in ((PMBGPD, "bgp-peers"), (PMBMPD, "bmp-routers")):
        text = (SOURCE / f"packaging/{program.name}.conf").read_text().replace(f"/etc/pathacct/{peers}", str(test.write(peers, "127.0.0.1\n")))
        unmarked = re.sub(r"^!(?=\w)", "", text, flags=re.M)
        assert "user: pathacct" in unmarked and "_allow_file:" in unmarked
        for number, shown in enumerate((text, unmarked.replace("user: pathacct", "user: root"))):
            done = subprocess.run([program, "-f", test.write(f"{number}.conf", shown), "--check"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and "warning" not in done.stderr, done


def test_setup_makes_the_user_and_its_folders_and_closes_the_configuration(test):
    need_root()
    need("systemd-sysusers")
    root = installed(test)
    setup_service(root)
    uid, gid = map(int, re.search(r"^pathacct:x:(\d+):(\d+):", (root / "etc/passwd").read_text(), re.M).groups())
    assert uid > 0 and f"pathacct:x:{gid}:" in (root / "etc/group").read_text()
    first = state(root)
    assert first["var/lib/pathacct"][:3] == (uid, gid, 0o750) and first["run/pathacct"][:3] == (uid, gid, 0o755), first
    assert first["etc/pathacct/nfacctd.conf"][:3] == (0, gid, 0o640), first["etc/pathacct/nfacctd.conf"]
    # again it changes nothing, not even permissions that somebody has set
    (root / "etc/pathacct/sfacctd.conf").chmod(0o600)
    second = state(root)
    assert setup_service(root) == "" and state(root) == second


def test_setup_takes_over_the_files_of_a_dynamic_user(test):
    need_root()
    need("systemd-sysusers")
    root = installed(test)
    for folder in ("var/lib", "run"):
        old = root / folder / "private/pathacct"
        (old / "deep").mkdir(parents=True)
        old.parent.chmod(0o700)
        (old / "deep/matrix.json").write_text("rows")
        (old / "link").symlink_to("/etc/passwd")
        (root / folder / "pathacct").symlink_to("private/pathacct")
        for path in (old, old / "deep", old / "deep/matrix.json"):
            os.chown(path, 61234, 61234)
    owner = pathlib.Path("/etc/passwd").stat().st_uid
    assert "taken over" in setup_service(root)
    uid, gid = map(int, re.search(r"^pathacct:x:(\d+):(\d+):", (root / "etc/passwd").read_text(), re.M).groups())
    for folder in ("var/lib", "run"):
        new = root / folder / "pathacct"
        assert not new.is_symlink() and (new / "deep/matrix.json").read_text() == "rows"
        assert all((p.lstat().st_uid, p.lstat().st_gid) == (uid, gid) for p in (new, *new.rglob("*")))
        assert not (root / folder / "private/pathacct").exists()
    assert pathlib.Path("/etc/passwd").stat().st_uid == owner, "no link is followed"
    after = state(root)
    assert setup_service(root) == "" and state(root) == after


def test_core_links_no_backend_library(test):
    release_only()
    libraries = run("ldd", BUILD / "sbin/nfacctd")
    for word in ("libpq", "sqlite", "rdkafka", "curl", "rabbitmq"):
        assert word not in libraries, libraries


if __name__ == "__main__":
    main(globals())
