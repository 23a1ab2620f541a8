#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sandbox.sh BUILD FOLDER WORK: runs FOLDER/run.sh in the folder WORK of a machine of its own: this one's files, but what is changed is gone at
# the end; nothing but a loopback network; no process of others. The build is installed there, or
# the packages of the folder that PACKAGES names. Wants namespaces of unshare(1).
set -euo pipefail
export PACKAGES=${PACKAGES-}
build=$1 folder=$2 work=$3
mount -t tmpfs none /mnt
mkdir /mnt/changed /mnt/work /mnt/machine
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/changed,workdir=/mnt/work /mnt/machine || exit 77
mount --rbind /proc /mnt/machine/proc
mount --rbind /dev /mnt/machine/dev
mount -t tmpfs none /mnt/machine/dev/shm
mount -t tmpfs none /mnt/machine/run
mount --bind "$folder" /mnt/machine/mnt
ip link set lo up
rm -rf /mnt/machine/tmp/pathacct-[0-9]* /mnt/machine/var/lib/pathacct /mnt/machine/etc/pathacct # of daemons outside
exec chroot /mnt/machine bash -c '
set -e
install -d /etc/pathacct # packages make it
if [ -n "$PACKAGES" ]; then
    # dpkg -x would put a folder in the place of the link /lib.
    for package in "$PACKAGES"/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C /; done
    /usr/sbin/pathacct-setup-service >/dev/null 2>&1
else
    cmake --install "$0" --prefix /usr/local >/dev/null
    /usr/local/sbin/pathacct-setup-service >/dev/null 2>&1
fi
cd "$1"
exec bash /mnt/run.sh' "$build" "$work"
