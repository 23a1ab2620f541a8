# SPDX-License-Identifier: GPL-2.0-or-later
# What stands before a document's commands: programs that a reader runs in a terminal of their own go to the background here.
set -eo pipefail
for folder in /usr/lib/postgresql/*/bin; do PATH=$PATH:$folder; done
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH LC_ALL=C.UTF-8 PAGER=cat
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy no_proxy NO_PROXY

sudo() { "$@"; }

# wait_until TEXT COMMAND...: until the command prints a line that has this text.
wait_until() {
    local text=$1 said= n
    shift
    for n in $(seq 300); do
        said=$("$@" 2>&1) || true
        grep -qe "$text" <<<"$said" && return 0
        sleep 0.2
    done
    echo "60 s passed without '$text' of: $*" >&2
    echo "$said" >&2
    return 1
}

terminals=0 terminal_pids=()
# terminal TEXT COMMAND...: runs a program until the document ends, and waits until it says TEXT.
terminal() {
    local text=$1 log=/mnt/terminal-$((++terminals)).log
    shift
    command "$@" >"$log" 2>&1 </dev/null &
    terminal_pids+=($!)
    wait_until "$text" cat "$log"
}

daemon() {
    case " $* " in
        *\ --check\ * | *\ -T\ * | *\ -I\ * | *\ -V\ * | *\ -a\ * | *\ --keys*) command "$@" ;;
        *) terminal "waiting for .* data on" "$@" ;;
    esac
}
nfacctd() { daemon nfacctd "$@"; }
sfacctd() { daemon sfacctd "$@"; }
prometheus() { terminal "ready to receive web requests" prometheus "$@"; }

# A PostgreSQL server where its programs look for one, with a role for who runs the commands.
start_postgresql() {
    local data=/var/lib/postgresql/document
    mkdir -p /var/run/postgresql
    chown postgres /var/run/postgresql /var/lib/postgresql
    (cd / && setpriv --reuid=postgres --clear-groups initdb -D $data -U postgres -N --no-instructions -A trust -E UTF8 --locale=C.UTF-8 >/dev/null)
    (cd / && terminal "ready to accept connections" setpriv --reuid=postgres --clear-groups postgres -D $data -k /var/run/postgresql -c fsync=off)
    createuser -U postgres -s "$(id -un)"
}

# A MariaDB server, likewise; root comes in by the socket.
start_mariadb() {
    local data=/var/lib/mysql/document
    install -d -o mysql -g mysql /var/lib/mysql /var/run/mysqld
    mariadb-install-db --no-defaults --user=mysql --datadir=$data --skip-test-db --auth-root-authentication-method=socket >/dev/null
    (cd / && terminal "ready for connections" mariadbd --no-defaults --user=mysql --datadir=$data --socket=/var/run/mysqld/mysqld.sock \
        --innodb-flush-log-at-trx-commit=2)
}

# What follows is in place of a reader's router, its exports and its collector.

# capture FILE: exports, NetFlow's or, where the name says so, sFlow's.
capture() { "$SOURCE_DIR/tests/documents/capture.py" "$1"; }

# router [PORT]: BIRD with four paths to 192.168.1.0/24, as in examples/multipath; it speaks to the collector's port for BGP.
router() {
    sed -e 's/^protocol device {}/protocol device { scan time 1; }/' -e "s/port 1790/port ${1:-179}/" "$SOURCE_DIR/examples/multipath/bird.conf" >/mnt/bird.conf
    echo 'protocol static documentation { ipv4 { import filter via_10_0_0_1; }; route 192.0.2.0/24 blackhole; }' >>/mnt/bird.conf
    bird -c /mnt/bird.conf -s /mnt/bird.ctl
    wait_until '4 paths\|4 path' pathacct routes 192.168.1.1
}

# exports: 1,001 flows by these paths, as in examples/multipath, have arrived.
exports() {
    "$SOURCE_DIR/examples/multipath/send-exports" 2100
    wait_until '127.0.0.11 .* 1001 ' pathacct exporters
}

# flows FROM FLOW...: a router of that address exports these; a flow is `in=1,out=2,src=...`, see flows.py.
flows() {
    ip address add "$1/32" dev lo 2>/dev/null || true
    "$SOURCE_DIR/tests/documents/flows.py" "$@"
    wait_until "$1" pathacct exporters
}

collector() { nfacctd -f "$SOURCE_DIR/examples/oncall/nfacctd.conf"; }

# tables: a collector with the memory tables that pmacct(1) asks.
tables() {
    cat >/mnt/tables.conf <<'END'
nfacctd_port: 2100
nfacctd_renormalize: true
plugins: memory[matrix], memory[hosts]
aggregate[matrix]: peer_src_ip, peer_dst_as, dst_as
imt_path[matrix]: /run/pathacct/matrix.sock
aggregate[hosts]: dst_host
imt_path[hosts]: /run/pathacct/hosts.sock
END
    nfacctd -f /mnt/tables.conf
}

# end_terminals: as Ctrl-C in each terminal that a document has opened so far.
end_terminals() {
    local pid
    for pid in "${terminal_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" || true
    done
    terminal_pids=()
}

# past_exports: what went over the links of that router in the last three hours has arrived.
past_exports() {
    "$SOURCE_DIR/tests/documents/past_exports.py" 2100
    wait_until " 144 flows" pathacct status
}

# A ClickHouse that a Python has: chdb.
if [ -n "${CHDB_PYTHON:-}" ]; then
    clickhouse() { "$CHDB_PYTHON" -c 'import sys, chdb; print(chdb.query(sys.argv[1], "TSV"), end="")' "$3"; }
fi
