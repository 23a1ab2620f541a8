/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as the database of places. One that loads is asked for addresses, and for
 * the places that they lead to. */
#include "base/text.h"
#include "maps/geoip.h"
#include "support/check.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The library leaks when it refuses some databases, which is not ours to mend. */
const char *__lsan_default_suppressions(void); /* NOLINT(bugprone-reserved-identifier) */
const char *__lsan_default_suppressions(void)  /* NOLINT(bugprone-reserved-identifier) */
{
    return "leak:libmaxminddb\n";
}

static void ask(const struct geoip *geoip, const char *text)
{
    struct geoip_place place;
    struct ip_addr addr;
    uint32_t offset;

    CHECK(ip_addr_parse(text, &addr) == 0);
    if (!geoip_find(geoip, &addr, &offset))
        return;
    geoip_place_at(geoip, offset, &place);
    CHECK(isfinite(place.latitude) && isfinite(place.longitude));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text errors = {0};
    struct geoip *geoip;
    char path[40];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (geoip_read(path, &errors, &geoip) == 0) {
        CHECK(errors.len == 0);
        ask(geoip, "10.0.0.1");
        ask(geoip, "192.0.2.8");
        ask(geoip, "255.255.255.255");
        ask(geoip, "2001:db8::1");
        ask(geoip, "::");
        geoip_free(geoip);
    } else {
        CHECK(errors.len > 0);
    }
    close(fd);
    text_clear(&errors);
    return 0;
}
