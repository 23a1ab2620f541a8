/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An UPDATE on its way to the RIB (RFC 4271 section 6.3, RFC 4760, RFC 7606): withdrawals go
 * first, then announcements, each in batches. Attributes are judged before anything is
 * announced. */
#include "bgp/update.h"
#include "bgp/nlri.h"
#include <string.h>

#define BATCH_SIZE 128

struct update {
    const struct attr_context *context;
    struct attr_store *store;
    const struct update_sink *sink;
    struct attr_list attrs;
    struct update_result *result;
    uint8_t no_next_hop_type; /* type code of the attribute with an unusable next hop; 0: none */
};

static void update_raise(struct update *update, enum attr_outcome outcome, uint8_t type,
                         const char *reason)
{
    attr_list_raise(&update->attrs, outcome, type, reason);
}

static void update_reset(struct update *update, uint8_t subcode, uint8_t type, const char *reason)
{
    if (update->attrs.outcome < ATTR_OUTCOME_RESET)
        update->attrs.error = notification_make(ERROR_UPDATE, subcode);
    update_raise(update, ATTR_OUTCOME_RESET, type, reason);
}

/* Withdraws (`attrs` NULL) or announces the NLRI of one field. */
static void nlri_apply(struct update *update, enum address_family family, struct reader field,
                       bool is_withdrawal, struct path_attrs *attrs)
{
    struct rib_nlri nlri[BATCH_SIZE];
    const struct nlri_format format = {&address_families[family],
                                       update->context->features.add_path & 1u << family,
                                       is_withdrawal};
    const struct update_sink *sink = update->sink;
    struct update_result *result = update->result;

    for (;;) {
        int count = nlri_read(&field, &format, nlri, BATCH_SIZE);
        if (count < 0) {
            update_reset(update, UPDATE_BAD_NETWORK, 0, "has unreadable NLRI");
            return;
        }
        if (count == 0)
            return;
        if (attrs) {
            sink->announce(sink->arg, family, nlri, (size_t)count, attrs);
            result->announced_count += (uint32_t)count;
            continue;
        }
        sink->withdraw(sink->arg, family, nlri, (size_t)count);
        if (is_withdrawal)
            result->withdrawn_count += (uint32_t)count;
        else
            result->treated_as_withdrawn_count += (uint32_t)count;
    }
}

/* IPv4 addresses are the mapped ones. */
bool update_next_hop_is_usable(const struct ip_addr *next_hop)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *bytes = next_hop->bytes;

    if (memcmp(bytes, mapped, sizeof mapped) == 0)
        return wire_u32(bytes + 12) != 0 && (bytes[12] & 0xf0) != 0xe0;
    return bytes[0] != 0xff && !ip_addr_is_zero(next_hop);
}

/* The route is not used (RFC 4271 section 6.3), nor the one that it replaces. */
static void no_next_hop_apply(struct update *update, enum address_family family,
                              struct reader field, enum path_attr attr)
{
    struct update_result *result = update->result;
    uint32_t before = result->treated_as_withdrawn_count;

    nlri_apply(update, family, field, false, NULL);
    result->no_next_hop_count += result->treated_as_withdrawn_count - before;
    update->no_next_hop_type = attr_type(attr);
}

/* `attr` is the attribute that names the next hop. */
static void announce_apply(struct update *update, enum address_family family, struct reader field,
                           enum path_attr attr, const struct ip_addr *next_hop)
{
    if (update->attrs.outcome >= ATTR_OUTCOME_WITHDRAW) {
        nlri_apply(update, family, field, false, NULL);
        return;
    }
    if (!update_next_hop_is_usable(next_hop)) {
        no_next_hop_apply(update, family, field, attr);
        return;
    }
    struct path_attrs *attrs =
        attr_store_intern(update->store, &update->attrs, update->context, next_hop);
    nlri_apply(update, family, field, false, attrs);
    attr_store_unref(update->store, attrs);
}

static bool is_ipv4_agreed(const struct update *update)
{
    return update->context->features.families & 1u << FAMILY_IPV4_UNICAST;
}

/* Checks that everything is there that an announcement needs, and raises the outcome where
 * something is not, or where malformed attributes leave no NLRI to withdraw. */
static void attrs_judge(struct update *update, bool has_announced, bool has_reach)
{
    struct attr_list *attrs = &update->attrs;

    if (has_announced || has_reach) { /* RFC 7606 section 3 (d) */
        if (!attrs->values[ATTR_ORIGIN].data)
            update_raise(update, ATTR_OUTCOME_WITHDRAW, attr_type(ATTR_ORIGIN), "is missing");
        if (!attrs->values[ATTR_AS_PATH].data)
            update_raise(update, ATTR_OUTCOME_WITHDRAW, attr_type(ATTR_AS_PATH), "is missing");
        if (has_announced && !attrs->values[ATTR_NEXT_HOP].data)
            update_raise(update, ATTR_OUTCOME_WITHDRAW, attr_type(ATTR_NEXT_HOP), "is missing");
    } else if (attrs->outcome == ATTR_OUTCOME_WITHDRAW && attrs->has_others) {
        /* RFC 7606 section 5.2: the NLRI may be in what could not be read. */
        update_reset(update, UPDATE_MALFORMED_ATTRIBUTES, attrs->bad_type, attrs->reason);
    }
}

static void attributes_apply(struct update *update, const struct update_parts *parts)
{
    struct attr_list *attrs = &update->attrs;
    bool has_announced = reader_left(&parts->announced) > 0;
    struct mp_reach reach = {0}, unreach = {0};
    const struct attr_value *reach_value = &attrs->values[ATTR_MP_REACH];
    const struct attr_value *unreach_value = &attrs->values[ATTR_MP_UNREACH];

    if (reach_value->data && mp_reach_parse(reach_value, update->context, &reach) < 0)
        update_reset(update, UPDATE_OPTIONAL_ATTRIBUTE, attr_type(ATTR_MP_REACH), "is malformed");
    if (unreach_value->data && mp_unreach_parse(unreach_value, update->context, &unreach) < 0)
        update_reset(update, UPDATE_OPTIONAL_ATTRIBUTE, attr_type(ATTR_MP_UNREACH), "is malformed");
    attrs_judge(update, has_announced, reach_value->data != NULL);
    if (attrs->outcome == ATTR_OUTCOME_RESET)
        return;

    if (unreach_value->data && !unreach.family)
        update->result->foreign_count++;
    if (unreach.family)
        nlri_apply(update, unreach.index, unreach.nlri, true, NULL);
    if (reach_value->data && !reach.family)
        update->result->foreign_count++;
    if (reach.family)
        announce_apply(update, reach.index, reach.nlri, ATTR_MP_REACH, &reach.next_hop);
    if (!has_announced)
        return;
    if (!is_ipv4_agreed(update)) {
        update->result->foreign_count++;
        return;
    }
    struct ip_addr next_hop = {0};
    if (attrs->values[ATTR_NEXT_HOP].data && attrs->values[ATTR_NEXT_HOP].len == 4)
        next_hop = ip_addr_v4(attrs->values[ATTR_NEXT_HOP].data);
    announce_apply(update, FAMILY_IPV4_UNICAST, parts->announced, ATTR_NEXT_HOP, &next_hop);
}

/* Tells the sink of an End-of-RIB: an UPDATE that says nothing, or a lone MP_UNREACH_NLRI
 * without NLRI (RFC 4724 section 2). */
static bool end_of_rib_apply(struct update *update, const struct update_parts *parts)
{
    const struct attr_value *value = &update->attrs.values[ATTR_MP_UNREACH];
    struct mp_reach unreach;

    if (reader_left(&parts->withdrawn) > 0 || reader_left(&parts->announced) > 0)
        return false;
    if (reader_left(&parts->attributes) == 0) {
        if (is_ipv4_agreed(update))
            update->sink->end_of_rib(update->sink->arg, FAMILY_IPV4_UNICAST);
        return true;
    }
    if (update->attrs.has_others || update->attrs.outcome != ATTR_OUTCOME_OK || value->len != 3 ||
        mp_unreach_parse(value, update->context, &unreach) < 0 || !unreach.family)
        return false;
    update->sink->end_of_rib(update->sink->arg, unreach.index);
    return true;
}

void update_apply(struct reader body, const struct attr_context *context, struct attr_store *store,
                  const struct update_sink *sink, struct update_result *ret_result)
{
    struct update update = {.context = context, .store = store, .sink = sink, .result = ret_result};
    struct update_parts parts;

    *ret_result = (struct update_result){0};
    if (message_parse_update(body, &parts, &ret_result->error) < 0) {
        ret_result->outcome = ATTR_OUTCOME_RESET;
        ret_result->reason = "has lengths that do not add up";
        return;
    }
    attr_list_parse(parts.attributes, context, &update.attrs);
    if (end_of_rib_apply(&update, &parts))
        return;

    if (reader_left(&parts.withdrawn) > 0) {
        if (is_ipv4_agreed(&update))
            nlri_apply(&update, FAMILY_IPV4_UNICAST, parts.withdrawn, true, NULL);
        else
            ret_result->foreign_count++;
    }
    if (update.attrs.outcome < ATTR_OUTCOME_RESET)
        attributes_apply(&update, &parts);
    if (update.no_next_hop_type)
        update_raise(&update, ATTR_OUTCOME_WITHDRAW, update.no_next_hop_type,
                     "names an unspecified or multicast next hop");

    ret_result->outcome = update.attrs.outcome;
    ret_result->bad_type = update.attrs.bad_type;
    ret_result->reason = update.attrs.reason;
    ret_result->attrs_discarded_count = update.attrs.discarded_count;
    if (ret_result->outcome == ATTR_OUTCOME_RESET)
        ret_result->error = update.attrs.error;
}
