# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of packages, of the container and of a Debian system share: the packages, built once for each state of the source, and one root of
Debian by mmdebstrap. Both stay in the build folder for the tests of a run; a lock lets one of them make each."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import time

from harness import BUILD, SOURCE, Skip, need, need_root

FOLDER = BUILD / "debian"
ROOT_IS_OLD_S = 12 * 3600  # its lists of packages name files that are taken away in time


def run(*args, **kwargs):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False, **kwargs)
    assert done.returncode == 0, f"{args}: {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}"
    return done.stdout


@contextlib.contextmanager
def made_once(name):
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def source_files():
    """All files that git knows."""
    if subprocess.run(["git", "-C", SOURCE, "rev-parse"], capture_output=True, check=False).returncode != 0:
        raise Skip("this is no git checkout, so what belongs to the source is not known")
    return [f for f in run("git", "-C", SOURCE, "ls-files").splitlines() if (SOURCE / f).is_file()]


def packages():
    """The folder with all packages, built from the files that git knows."""
    need("dpkg-buildpackage", "dh")
    files = source_files()
    state = hashlib.sha256(b"".join(f.encode() + b"\0" + (SOURCE / f).read_bytes() for f in files)).hexdigest()
    place, stamp = FOLDER / "packages", FOLDER / "packages/state"
    with made_once("packages"):
        found = stamp.read_text() if stamp.exists() else ""
        if found == f"failed {state}":
            raise Skip("the packages could not be built; the first test that wanted them says why")
        if found != state:
            shutil.rmtree(place, ignore_errors=True)
            (place / "pathacct").mkdir(parents=True)
            subprocess.run(f"tar -C {shlex.quote(str(SOURCE))} -cf - -T - | tar -C {place}/pathacct -xf -", shell=True, input="\n".join(files), text=True, check=True)
            env = {**os.environ, "PATH": "/usr/lib/ccache:" + os.environ["PATH"], "DEB_BUILD_OPTIONS": f"parallel={os.cpu_count()} noautodbgsym nolto"}
            stamp.write_text(f"failed {state}")
            run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=place / "pathacct", env=env)
            shutil.rmtree(place / "pathacct")
            stamp.write_text(state)
    return place


def package(name):
    (path,) = packages().glob(f"{name}_*.deb")
    return path


def root_archive():
    """A Debian root of this machine's release, with apt and its lists, as a tar file."""
    need_root()
    program = need("mmdebstrap")
    path = FOLDER / "root.tar"
    with made_once("root"):
        if not path.exists() or time.time() - path.stat().st_mtime > ROOT_IS_OLD_S:
            sources = [p for p in [*pathlib.Path("/etc/apt/sources.list.d").glob("debian.sources"), pathlib.Path("/etc/apt/sources.list")] if p.exists()]
            release = re.search(r"VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text())[1]
            done = subprocess.run([program, "--variant=apt", "--skip=cleanup/apt/lists", release, f"{path}.new.tar", sources[0]], capture_output=True,
                                  text=True, check=False)
            if done.returncode != 0:
                raise Skip(f"no Debian system can be made: {done.stderr.strip().splitlines()[-1]}")
            os.rename(f"{path}.new.tar", path)
    return path


class Root:
    """A Debian system in a folder, which shares this one's network. Nothing in it starts by itself."""

    def __init__(self, test):
        self.root = test.dir / "root"
        self.root.mkdir()
        test.cleanups.append(lambda: shutil.rmtree(self.root, ignore_errors=True))
        run("tar", "-C", self.root, "-xf", root_archive())
        (self.root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.root / "usr/sbin/policy-rc.d").chmod(0o755)

    def inside(self, *words):
        """The command that runs another in the system, with /proc, which is gone with it."""
        return ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', self.root, *words]

    def run(self, *words):
        return run(*self.inside(*words), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})

    def get(self, *names):
        """Installs packages of Debian, or files in its folders."""
        return self.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *names)

    def install(self, *names):
        """Installs packages of this project."""
        for name in names:
            shutil.copy(package(name), self.root / "tmp")
        return self.get(*(f"/tmp/{package(name).name}" for name in names))
