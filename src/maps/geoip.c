/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libmaxminddb opens the copy and walks its tree. Values are read by maps/mmdb_value.h: what the
 * library has for them goes as deep as the file says.
 */
#include "maps/geoip.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "maps/mmdb_value.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <maxminddb.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Places in a file are 32 bits wide. */
#define FILE_MAX ((off_t)UINT32_MAX)
/* "Database Metadata": it begins behind the last marker, within so many bytes of the end. */
#define METADATA_MARKER     "\xab\xcd\xefMaxMind.com"
#define METADATA_MARKER_LEN (sizeof METADATA_MARKER - 1)
#define METADATA_MAX        ((size_t)128 << 10)

struct geoip {
    MMDB_s database;
    struct mmdb_section section;
};

/* ---- reading ---- */

static int copy_bytes(int from, int to)
{
    uint8_t buffer[64 << 10];
    off_t size = 0;

    for (;;) {
        ssize_t got = read(from, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        size += got;
        if (size > FILE_MAX)
            return -EFBIG;
        int err = file_write_all(to, buffer, (size_t)got);
        if (err < 0)
            return err;
    }
}

/* Opens a copy of the file that nobody can change. */
static int open_copy(const char *path, int *ret_fd)
{
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), to, err = 0;
    struct stat status;

    if (from < 0)
        return -errno;
    if (fstat(from, &status) < 0)
        err = -errno;
    else if (!S_ISREG(status.st_mode))
        err = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    to = err < 0 ? -1 : memfd_create("geoip", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (err == 0)
        err = to < 0 ? -errno : copy_bytes(from, to);
    if (err == 0 &&
        fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        err = -errno;
    close(from);
    if (err == 0)
        *ret_fd = to;
    else if (to >= 0)
        close(to);
    return err;
}

/* True if the library can read what the file says of itself, however deep that is. */
static bool has_sound_metadata(int fd)
{
    const size_t buffer_len = METADATA_MAX + METADATA_MARKER_LEN;
    uint8_t *buffer = mem_alloc(buffer_len), *found = NULL, *next = buffer;
    off_t size = lseek(fd, 0, SEEK_END);
    off_t start = size > (off_t)buffer_len ? size - (off_t)buffer_len : 0;
    ssize_t got = pread(fd, buffer, buffer_len, start);
    size_t len = got > 0 ? (size_t)got : 0;
    bool is_sound = false;

    while ((next = memmem(next, len - (size_t)(next - buffer), METADATA_MARKER,
                          METADATA_MARKER_LEN)) != NULL) {
        next += METADATA_MARKER_LEN;
        found = next;
    }
    if (found) {
        struct mmdb_section section = {found, len - (size_t)(found - buffer)};
        is_sound = mmdb_value_is_sound(&section);
    }
    mem_free(buffer);
    return is_sound;
}

static int open_database(int fd, struct geoip *geoip, struct text *reason)
{
    char name[40];
    int status;

    if (!has_sound_metadata(fd)) {
        text_append_string(reason, "it does not say what it is, as a MaxMind DB does at its end");
        return -EINVAL;
    }
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    status = MMDB_open(name, MMDB_MODE_MMAP, &geoip->database);
    if (status == MMDB_SUCCESS)
        return 0;
    text_append_string(reason, status == MMDB_IO_ERROR ? strerror(errno) : MMDB_strerror(status));
    return -EINVAL;
}

int geoip_read(const char *path, struct text *errors, struct geoip **ret_geoip)
{
    struct geoip *geoip = mem_zalloc(sizeof *geoip);
    struct text reason = {0};
    int fd = -1, err;

    err = open_copy(path, &fd);
    if (err < 0) {
        text_append_printf(errors, "%s: cannot read it: %s\n", path, strerror(-err));
    } else {
        err = open_database(fd, geoip, &reason);
        if (err < 0)
            text_append_printf(
                errors,
                "%s: no database of places: %s; geoipv2_file takes MaxMind DB files, "
                "such as GeoLite2-City.mmdb\n",
                path, text_cstr(&reason));
        close(fd);
    }
    text_clear(&reason);
    if (err < 0) {
        mem_free(geoip);
        return err;
    }
    geoip->section =
        (struct mmdb_section){geoip->database.data_section, geoip->database.data_section_size};
    log_info("geoipv2_file database %s loaded", path); /* pmacct's words */
    *ret_geoip = geoip;
    return 0;
}

void geoip_free(struct geoip *geoip)
{
    if (!geoip)
        return;
    MMDB_close(&geoip->database);
    mem_free(geoip);
}

/* ---- looking up ---- */

bool geoip_find(const struct geoip *geoip, const struct ip_addr *addr, uint32_t *ret_offset)
{
    struct sockaddr_storage storage;
    MMDB_lookup_result_s result;
    int status = MMDB_SUCCESS;

    if (addr->family == IP_NONE)
        return false;
    /* An IPv6 address in a database of IPv4 is an error to the library, and a broken tree too. */
    ip_addr_to_sockaddr(addr, 0, &storage);
    result = MMDB_lookup_sockaddr(&geoip->database, (struct sockaddr *)&storage, &status);
    if (status != MMDB_SUCCESS || !result.found_entry)
        return false;
    *ret_offset = result.entry.offset;
    return true;
}

/* Returns the length of the character at `p`; 0: it is none, or the end of a text. */
static size_t character_len(const uint8_t *p, size_t left)
{
    return *p < 0x80 ? *p != 0 : text_utf8_len(p, left);
}

/* Copies a text into a place of `max` bytes, which is all zeros; a character is whole or not there. */
static void take_text(const struct geoip *geoip, uint32_t offset, const char *const *path,
                      char *place, size_t max)
{
    struct mmdb_value value;
    size_t len = 0, more;

    if (!mmdb_value_find(&geoip->section, offset, path, &value) || value.type != MMDB_TYPE_TEXT)
        return;
    while (len < value.text_len &&
           (more = character_len(value.text + len, value.text_len - len)) > 0 && len + more <= max)
        len += more;
    memcpy(place, value.text, len);
}

static double real_at(const struct geoip *geoip, uint32_t offset, const char *const *path)
{
    struct mmdb_value value;

    if (!mmdb_value_find(&geoip->section, offset, path, &value) || value.type != MMDB_TYPE_REAL ||
        !isfinite(value.real))
        return 0;
    return value.real + 0.0; /* no -0, which would be a key of its own */
}

void geoip_place_at(const struct geoip *geoip, uint32_t offset, struct geoip_place *ret_place)
{
    static const char *const country[] = {"country", "iso_code", NULL};
    static const char *const postal[] = {"postal", "code", NULL};
    static const char *const latitude[] = {"location", "latitude", NULL};
    static const char *const longitude[] = {"location", "longitude", NULL};

    *ret_place = (struct geoip_place){.latitude = real_at(geoip, offset, latitude),
                                      .longitude = real_at(geoip, offset, longitude)};
    take_text(geoip, offset, country, ret_place->country.text, sizeof ret_place->country.text);
    take_text(geoip, offset, postal, ret_place->postal.text, sizeof ret_place->postal.text);
}
