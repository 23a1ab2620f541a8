/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any JSON as the file that keeps templates over a restart. The decoder loads it, saves
 * what it took, and compiles it again; limits are low so that inputs reach them. */
#include <stdlib.h>

#include <jansson.h>

#include "support/decode_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool owns_all(const struct ip_addr *exporter, void *arg)
{
    (void)exporter;
    (void)arg;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decode_rig rig;
    json_t *file = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);

    if (rig.decoder) {
        decode_rig_reset(&rig);
    } else {
        decode_rig_init(&rig);
        rig.own.templates_max = 4;
        rig.own.template_fields_max = 64;
        decode_rig_start(&rig, 4);
    }
    nfacctd_decoder.load(rig.decoder, file, owns_all, NULL);
    json_decref(decode_rig_save(&rig));
    nfacctd_decoder.set_needs(rig.decoder, &rig.settings.needs);
    json_decref(file);
    return 0;
}
