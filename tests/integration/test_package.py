#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that `cmake --install` and `cpack -G DEB` put everything into the usual places, and what they installed works from there."""
import os
import subprocess

from harness import BUILD, Skip, main, need

EXPECTED = ["usr/sbin/nfacctd", "usr/sbin/sfacctd", "usr/share/man/man8/sfacctd.8", "usr/lib/systemd/system/sfacctd.service",
            "etc/pathacct/sfacctd.conf", "usr/bin/pmacct", "usr/share/man/man1/pmacct.1", "usr/libexec/pathacct-host",
            "usr/include/pathacct_plugin.h", "usr/lib/pkgconfig/pathacct.pc", "usr/lib/cmake/pathacct/pathacct-config.cmake",
            "usr/lib/cmake/pathacct/pathacct-targets.cmake", "usr/share/man/man8/nfacctd.8",
            "usr/share/man/man5/nfacctd.conf.5", "usr/share/man/man7/pathacct-primitives.7", "usr/share/man/man3/pathacct_plugin.3",
            "usr/lib/systemd/system/nfacctd.service", "etc/pathacct/nfacctd.conf"]


def run(*args, **kwargs):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def release_only():
    cache = (BUILD / "CMakeCache.txt").read_text()
    if "SANITIZE:STRING=\n" not in cache:
        raise Skip("built with a sanitizer; packages are made of the release build")


def test_debian_package(test):
    release_only()
    need("dpkg-deb")
    run("cpack", "-G", "DEB", "-B", test.dir, cwd=BUILD)
    package = next(test.dir.glob("*.deb"))
    root = test.dir / "root"
    run("dpkg-deb", "-x", package, root)
    fields = run("dpkg-deb", "-f", package)
    assert "Conflicts: pmacct" in fields and "Replaces: pmacct" in fields and "Depends: " in fields, fields
    files = {os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names}
    missing = [f for f in EXPECTED if f not in files and f + ".gz" not in files]
    assert not missing, f"not in the package: {missing}\n" + "\n".join(sorted(files))
    for name in ("nfacctd", "sfacctd"):
        unit = (root / f"usr/lib/systemd/system/{name}.service").read_text()
        assert f"ExecStart=/usr/sbin/{name} -f /etc/pathacct/{name}.conf" in unit, unit
        # Both units have one folder for sockets, which systemd would take away when either stops.
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


def test_core_links_no_backend_library(test):
    release_only()
    libraries = run("ldd", BUILD / "sbin/nfacctd")
    for word in ("libpq", "sqlite", "rdkafka"):
        assert word not in libraries, libraries


if __name__ == "__main__":
    main(globals())
