/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decodes the extended records of a flow sample (sFlow version 5; RFC 3176) that tell more of a
 * packet than its headers: users, URLs, labels, translation, tunnels, access lists. */
#include "sfacctd/sflow_decoder.h"

#include "flow/packet_header.h"

/* An XDR string (RFC 4506 section 4.11), padded to four bytes. */
struct xdr_string {
    const uint8_t *data;
    uint32_t len;
};

static struct xdr_string read_string(struct reader *r)
{
    struct xdr_string s = {.len = reader_u32(r)};

    s.data = reader_bytes(r, s.len);
    reader_bytes(r, -s.len & 3);
    return s;
}

#define SET_STRING(sample, member, string)                                                         \
    SET(sample, member, flow_sample_copy(sample, (string).data, (string).len))

void record_user(struct flow_sample *sample, struct reader *r)
{
    bool has_charsets = sample->msg->version == 5;

    if (has_charsets)
        reader_u32(r);
    struct xdr_string src = read_string(r);
    if (has_charsets)
        reader_u32(r);
    struct xdr_string dst = read_string(r);
    if (r->failed)
        return;
    SET_STRING(sample, src_user, src);
    SET_STRING(sample, dst_user, dst);
}

void record_url(struct flow_sample *sample, struct reader *r)
{
    reader_u32(r); /* whether source or destination serves it */
    struct xdr_string url = read_string(r);
    struct xdr_string host = {0};

    if (sample->msg->version == 5)
        host = read_string(r);
    if (r->failed)
        return;
    SET_STRING(sample, url, url);
    SET_STRING(sample, url_host, host);
}

static uint32_t read_labels(struct reader *r, uint32_t labels[PACKET_HEADER_LABELS])
{
    uint32_t depth = reader_u32(r), kept = 0;

    if (depth > reader_left(r) / 4) {
        r->failed = true;
        return 0;
    }
    for (uint32_t i = 0; i < depth; i++) {
        uint32_t entry = reader_u32(r); /* RFC 3032: label, class, bottom of stack, time to live */
        if (kept < PACKET_HEADER_LABELS)
            labels[kept++] = entry >> 12;
    }
    return kept;
}

static void set_labels(struct flow_sample *sample, const uint32_t *labels, uint32_t count)
{
    if (count == 0)
        return;
    sample->has_labels = true;
    SET(sample, mpls_label_top, labels[0]);
    SET(sample, mpls_label_bottom, labels[count - 1]);
    SET(sample, mpls_labels, flow_sample_copy(sample, labels, count * sizeof *labels));
}

/* Takes the labels that the packet came with, else those that it goes on with. */
void record_mpls(struct flow_sample *sample, struct reader *r)
{
    uint32_t in[PACKET_HEADER_LABELS], out[PACKET_HEADER_LABELS];
    struct wire_addr next_hop = sflow_read_addr(r);
    uint32_t in_count = read_labels(r, in);
    uint32_t out_count = read_labels(r, out);

    if (r->failed)
        return;
    if (WANTS(sample, ip_next_hop) && ip_addr_is_zero(&sample->flow->ip_next_hop))
        wire_addr_put(&next_hop, &sample->flow->ip_next_hop);
    if (sample->has_labels)
        return;
    if (in_count > 0)
        set_labels(sample, in, in_count);
    else
        set_labels(sample, out, out_count);
}

void record_mpls_vc(struct flow_sample *sample, struct reader *r)
{
    read_string(r); /* name of the instance */
    uint32_t id = reader_u32(r);

    reader_u32(r); /* class of service of its label */
    if (!r->failed)
        SET(sample, mpls_pw_id, id);
}

void record_nat(struct flow_sample *sample, struct reader *r)
{
    struct wire_addr src = sflow_read_addr(r);
    struct wire_addr dst = sflow_read_addr(r);

    if (r->failed)
        return;
    if (WANTS(sample, nat_src_addr))
        wire_addr_put(&src, &sample->flow->nat_src_addr);
    if (WANTS(sample, nat_dst_addr))
        wire_addr_put(&dst, &sample->flow->nat_dst_addr);
}

void record_nat_port(struct flow_sample *sample, struct reader *r)
{
    uint32_t src = reader_u32(r);
    uint32_t dst = reader_u32(r);

    if (r->failed)
        return;
    SET(sample, nat_src_port, (uint16_t)src);
    SET(sample, nat_dst_port, (uint16_t)dst);
}

/* Reads the tags that were stripped, outermost first; the tags that the header still has stood
 * inside them. */
void record_vlan_tunnel(struct flow_sample *sample, struct reader *r)
{
    uint32_t count = reader_u32(r);
    uint32_t outermost = count > 0 ? reader_u32(r) : 0;

    if (count > 0 && count - 1 > reader_left(r) / 4)
        r->failed = true;
    if (r->failed || count == 0)
        return;
    sample->stripped_vlan = outermost & 0x0fff;
}

void record_vni_ingress(struct flow_sample *sample, struct reader *r)
{
    uint32_t vni = reader_u32(r);

    if (!r->failed)
        sample->vni = vni;
}

void record_vni_egress(struct flow_sample *sample, struct reader *r)
{
    uint32_t vni = reader_u32(r);

    if (!r->failed && sample->vni == 0)
        sample->vni = vni;
}

/* Notes the record, which is laid out as a sampled_ipv4 or sampled_ipv6 whose ends are the
 * tunnel's. */
static void take_tunnel(struct flow_sample *sample, struct reader *r, uint8_t version)
{
    const uint8_t *outer = reader_bytes(r, version == 4 ? 32 : 56);

    if (!outer)
        return;
    sample->outer = outer;
    sample->outer_version = version;
}

void record_tunnel_ipv4(struct flow_sample *sample, struct reader *r)
{
    take_tunnel(sample, r, 4);
}

void record_tunnel_ipv6(struct flow_sample *sample, struct reader *r)
{
    take_tunnel(sample, r, 6);
}

void record_acl(struct flow_sample *sample, struct reader *r)
{
    uint32_t number = reader_u32(r);
    struct xdr_string name = read_string(r);

    reader_u32(r); /* direction */
    if (r->failed)
        return;
    SET(sample, acl_number, number);
    SET_STRING(sample, acl_name, name);
}
