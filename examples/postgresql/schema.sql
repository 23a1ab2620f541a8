-- Tables for nfacctd.conf. As the owner of database traffic: psql -d traffic -f schema.sql
-- The role may write, and keep account of what is written; readers get their own.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'collector') THEN CREATE ROLE collector LOGIN PASSWORD 'change-me'; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') THEN CREATE ROLE grafana LOGIN PASSWORD 'change-me-too'; END IF;
END $$;

CREATE TABLE hourly (
    stamp_inserted timestamptz NOT NULL,            -- the hour
    stamp_updated  timestamptz NOT NULL,
    peer_ip_src    inet        NOT NULL,            -- the router that exported: where the traffic came in
    iface_in       bigint      NOT NULL,
    iface_out      bigint      NOT NULL,            -- of the same router: the link that it left by
    peer_ip_dst    inet        NOT NULL,            -- BGP next hop: where it went out of the network
    peer_as_dst    bigint      NOT NULL,            -- the neighbour AS behind it
    as_dst         bigint      NOT NULL,
    path_match     text COLLATE "C" NOT NULL,       -- how sure the path is
    flows          bigint      NOT NULL,
    packets        bigint      NOT NULL,
    bytes          bigint      NOT NULL,
    UNIQUE (stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst, as_dst, path_match)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- Bits per second. An hour that runs, or whose last rows may be under way, is divided by that part of which rows are there.
CREATE VIEW hourly_rates AS
SELECT *, bytes * 8 / CASE WHEN stamp_inserted <= now() - interval '65 minutes' THEN 3600 ELSE least(3600, greatest(60, extract(epoch FROM
           (SELECT max(stamp_updated) FROM hourly WHERE stamp_inserted > now() - interval '65 minutes') - stamp_inserted))) END AS bits_per_second
FROM hourly;

-- Five minutes of each way through a router: it adds to the link that traffic came in by, and to the one it left by.
CREATE TABLE links (
    stamp_inserted timestamptz NOT NULL,
    stamp_updated  timestamptz NOT NULL,
    peer_ip_src    inet        NOT NULL,
    iface_in       bigint      NOT NULL,
    iface_out      bigint      NOT NULL,
    packets        bigint      NOT NULL,
    bytes          bigint      NOT NULL,
    UNIQUE (stamp_inserted, peer_ip_src, iface_in, iface_out)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- Each link and direction, in bits per second. Interface 0 is none: what a router dropped, or sent or got itself.
CREATE VIEW link_rates AS
SELECT stamp_inserted, router, link, direction, sum(bytes) * 8 /
       CASE WHEN stamp_inserted <= now() - interval '7 minutes' THEN 300 ELSE least(300, greatest(60, extract(epoch FROM
           (SELECT max(stamp_updated) FROM links WHERE stamp_inserted > now() - interval '7 minutes') - stamp_inserted))) END AS bits_per_second
FROM (SELECT stamp_inserted, peer_ip_src AS router, iface_in AS link, 'in' AS direction, bytes FROM links
      UNION ALL SELECT stamp_inserted, peer_ip_src, iface_out, 'out', bytes FROM links) sides
WHERE link <> 0 GROUP BY 1, 2, 3, 4;

-- The 95th percentile of each between two times, of what is in the table and over. An interval without rows is one of 0 bits, the
-- running one is left out, the highest twentieth of all is free: the one after it counts.
CREATE FUNCTION link_percentiles(since timestamptz, until timestamptz)
RETURNS TABLE (router inet, link bigint, direction text, percentile_95 numeric, highest numeric) LANGUAGE sql STABLE AS $$
    WITH period AS (
        SELECT greatest(date_bin('5 minutes', since, 'epoch'), (SELECT min(stamp_inserted) FROM links)) AS first,
               least(date_bin('5 minutes', until, 'epoch'), date_bin('5 minutes', now(), 'epoch')) AS last),
    intervals AS (
        SELECT r.router, r.link, r.direction, r.bits_per_second, floor(extract(epoch FROM last - first) / 300) AS number,
               row_number() OVER (PARTITION BY r.router, r.link, r.direction ORDER BY r.bits_per_second DESC) AS place
        FROM link_rates r, period WHERE r.stamp_inserted >= first AND r.stamp_inserted < last)
    SELECT i.router, i.link, i.direction, coalesce(max(i.bits_per_second) FILTER (WHERE i.place = floor(i.number / 20) + 1), 0), max(i.bits_per_second)
    FROM intervals i GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
$$;

CREATE TABLE flows (
    stamp_inserted timestamptz NOT NULL,
    stamp_updated  timestamptz NOT NULL,
    peer_ip_src    inet        NOT NULL,
    ip_src         inet        NOT NULL,
    ip_dst         inet        NOT NULL,
    port_src       integer     NOT NULL,
    port_dst       integer     NOT NULL,
    ip_proto       smallint    NOT NULL,
    tcp_flags      integer     NOT NULL,            -- or-ed
    flows          bigint      NOT NULL,
    packets        bigint      NOT NULL,
    bytes          bigint      NOT NULL,
    UNIQUE (stamp_inserted, peer_ip_src, ip_src, ip_dst, port_src, port_dst, ip_proto)
) PARTITION BY RANGE (stamp_inserted);
CREATE TABLE flows_other PARTITION OF flows DEFAULT; -- what comes too late or too early; should stay empty

-- Partitions of the next days, and away with what is older than `keep`. Daily: SELECT flows_partitions('30 days')
-- Rows that came before their partition was there move into it from flows_other: PostgreSQL makes none that has rows there.
CREATE FUNCTION flows_partitions(keep interval, ahead integer DEFAULT 3) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    day date;
    name text;
    old text;
BEGIN
    FOR day IN SELECT generate_series(current_date, current_date + ahead, '1 day')::date LOOP
        name := 'flows_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        LOCK TABLE flows IN SHARE ROW EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE %I (LIKE flows INCLUDING ALL)', name);
        EXECUTE format('WITH early AS (DELETE FROM flows_other WHERE stamp_inserted >= %L AND stamp_inserted < %L RETURNING *)
                        INSERT INTO %I SELECT * FROM early', day, day + 1, name);
        EXECUTE format('ALTER TABLE flows ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, day, day + 1);
    END LOOP;
    DELETE FROM flows_other WHERE stamp_inserted < current_date - keep;
    FOR old IN SELECT inhrelid::regclass::text FROM pg_inherits
               WHERE inhparent = 'flows'::regclass AND inhrelid::regclass::text ~ '^flows_\d{8}$'
               AND to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') < current_date - keep LOOP
        EXECUTE format('DROP TABLE %I', old);
    END LOOP;
END $$;
SELECT flows_partitions('30 days');

CREATE TABLE pathacct_progress (core_id CHAR(32) NOT NULL, instance VARCHAR(255) NOT NULL, worker INTEGER NOT NULL,
    seq BIGINT NOT NULL, updated BIGINT NOT NULL, PRIMARY KEY (core_id, instance, worker));

GRANT SELECT, INSERT, UPDATE ON hourly, links, flows TO collector;
GRANT SELECT, INSERT, UPDATE, DELETE ON pathacct_progress TO collector;
GRANT SELECT ON hourly, hourly_rates, links, link_rates, flows TO grafana;
