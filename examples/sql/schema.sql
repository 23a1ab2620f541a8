CREATE TABLE pairs (
    stamp_inserted TEXT NOT NULL,
    stamp_updated TEXT NOT NULL,
    peer_ip_src TEXT NOT NULL,
    iface_in INTEGER NOT NULL,
    iface_out INTEGER NOT NULL,
    peer_ip_dst TEXT NOT NULL,
    peer_as_dst INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    -- The key of the rows, so that later ones are added to those that are there. The time first: old hours go in one sweep,
    -- and a range of hours is read in one piece.
    PRIMARY KEY (stamp_inserted, peer_ip_src, iface_in, iface_out, peer_ip_dst, peer_as_dst)
) WITHOUT ROWID;
CREATE INDEX pairs_by_peer ON pairs (peer_as_dst, stamp_inserted);
