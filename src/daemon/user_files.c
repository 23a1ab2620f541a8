/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks whether the process, who is the user by now, may do what it will do with each file that the
 * configuration names. Only permissions are refused here: what is not there yet, or full, is told
 * when it is used. See user.h.
 */
#include "base/memory.h"
#include "daemon/lock_folder.h"
#include "daemon/user.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_check {
    const struct daemon *daemon;
    struct text *errors;
    const char *place, *key; /* of the file that is looked at */
    bool has_failed;
};

static void refuse(struct file_check *c, const char *verb, const char *path, const char *remedy)
    __attribute__((nonnull));
static void refuse(struct file_check *c, const char *verb, const char *path, const char *remedy)
{
    c->has_failed = true;
    text_append_printf(c->errors, "%s: %s: user '%s' cannot %s %s; %s\n", c->place, c->key,
                       c->daemon->user->name, verb, path, remedy);
}

static void refuse_file(struct file_check *c, const char *verb, const char *path)
{
    char *remedy = mem_printf("chown %s %s", c->daemon->user->name, path);

    refuse(c, verb, path, remedy);
    mem_free(remedy);
}

static void refuse_folder(struct file_check *c, const char *folder)
{
    char *remedy = mem_printf("name another folder, or give it to that user: chown %s %s",
                              c->daemon->user->name, folder);

    refuse(c, "make files in", folder, remedy);
    mem_free(remedy);
}

/* Refuses the first folder on the way that cannot be entered. */
static bool can_reach(struct file_check *c, const char *path)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        char *folder = slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
        bool is_closed = access(folder, X_OK) < 0 && errno == EACCES;
        if (is_closed)
            refuse_folder(c, folder);
        mem_free(folder);
        if (is_closed)
            return false;
    }
    return true;
}

/* True if the file is there and this is not permitted. */
static bool is_forbidden(const char *path, int mode)
{
    return access(path, mode) < 0 && (errno == EACCES || errno == EPERM || errno == EROFS);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

/* Returns what a link leads to, or the name itself. */
static char *target_of(const char *name)
{
    char target[PATH_MAX];

    return mem_strdup(realpath(name, target) ? target : name);
}

/* Looks at the folder in which a file will be made. Folders that are not there are made, if
 * `makes_folders`. */
static void check_folder(struct file_check *c, const char *path, bool makes_folders)
{
    char *folder = folder_of(path);

    while (makes_folders && access(folder, F_OK) < 0 && errno == ENOENT) {
        char *above = folder_of(folder);
        mem_free(folder);
        folder = above;
    }
    if (is_forbidden(folder, W_OK | X_OK))
        refuse_folder(c, folder);
    mem_free(folder);
}

/* In a folder such as /tmp nobody but their owner can replace files. */
static bool is_kept_by_sticky_folder(const struct file_check *c, const char *path)
{
    char *folder = folder_of(path);
    struct stat file, above;
    bool is_sticky = stat(folder, &above) == 0 && (above.st_mode & S_ISVTX) &&
                     above.st_uid != c->daemon->user->uid;

    mem_free(folder);
    return is_sticky && lstat(path, &file) == 0 && file.st_uid != c->daemon->user->uid;
}

static void check_read(struct file_check *c, const char *path)
{
    if (is_forbidden(path, R_OK))
        refuse_file(c, "read", path);
}

/* A file that a new one is renamed over. */
static void check_replaced(struct file_check *c, const char *path)
{
    check_folder(c, path, false);
    if (is_kept_by_sticky_folder(c, path))
        refuse_file(c, "replace", path);
}

static void check_appended(struct file_check *c, const char *path)
{
    if (is_forbidden(path, W_OK))
        refuse_file(c, "write", path);
    else if (access(path, F_OK) < 0)
        check_folder(c, path, false);
}

/* ---- the daemon's own files ---- */

enum use { USE_READ, USE_REPLACE, USE_APPEND, USE_KEEP };

/* `instance` is CONFIG_GLOBAL for a key that is one for the process. */
static void check_file(struct file_check *c, const char *key, size_t instance, const char *name,
                       enum use use)
{
    char *target;

    if (!name)
        return;
    target = target_of(name);
    c->key = config_spelling(c->daemon->config, key, instance);
    c->place = config_place(c->daemon->config, key, instance);
    if (!can_reach(c, target)) {
        mem_free(target);
        return;
    }
    if (use == USE_READ || use == USE_KEEP)
        check_read(c, target);
    if (use == USE_REPLACE || use == USE_KEEP)
        check_replaced(c, target);
    if (use == USE_APPEND)
        check_appended(c, target);
    mem_free(target);
}

/* True if an instance before this one names the same pre_tag_map. */
static bool is_tag_map_of_earlier(const struct daemon *d, uint32_t instance)
{
    for (uint32_t i = 0; i < instance; i++)
        if (d->views[i].tag_map == d->views[instance].tag_map)
            return true;
    return false;
}

/* True if an instance before this one names the same networks_file. */
static bool is_networks_file_of_earlier(const struct daemon *d, uint32_t instance)
{
    for (uint32_t i = 0; i < instance; i++)
        if (d->views[i].networks.file == d->views[instance].networks.file)
            return true;
    return d->views[instance].networks.file < 0;
}

static void check_own_files(struct file_check *c)
{
    const struct daemon *d = c->daemon;
    const struct process_settings *p = &d->process;
    const struct bgp_settings *bgp = &d->bgp_settings;
    const struct maps_settings *maps = &d->maps_settings;
    char *allow_key = mem_printf("%s_allow_file", d->description->name);
    const struct {
        const char *key, *path;
        enum use use;
    } files[] = {
        {"pidfile", p->pidfile, USE_REPLACE},
        {"logfile", p->logfile, USE_APPEND},
        {"stats_file", p->stats_file, USE_REPLACE},
        {"control_socket", control_socket_of(&d->control_settings), USE_REPLACE},
        {"nfacctd_templates_file", p->templates_file, USE_KEEP},
        {"bgp_neighbors_file", bgp->enabled ? bgp->neighbors_file : NULL, USE_REPLACE},
        {"bgp_table_save", bgp->enabled ? bgp->table_save : NULL, USE_REPLACE},
        /* A reload reads these again. */
        {"bgp_daemon_allow_file", bgp->enabled ? bgp->allow_file : NULL, USE_READ},
        {"bgp_daemon_md5_file", bgp->enabled ? bgp->md5_file : NULL, USE_READ},
        {"bmp_daemon_allow_file", d->bmp_settings.enabled ? d->bmp_settings.allow_file : NULL,
         USE_READ},
        {"http_token_file", d->control_settings.token_file, USE_READ},
        {"http_tls_cert", d->control_settings.tls_cert, USE_READ},
        {"http_tls_key", d->control_settings.tls_key, USE_READ},
        {allow_key, maps->allow_file, USE_READ},
        {"sampling_map", maps->sampling_map, USE_READ},
        {"flow_to_rd_map", maps->flow_to_rd_map, USE_READ},
        {"bgp_agent_map", maps->bgp_agent_map, USE_READ},
        {"bgp_peer_dst_ip_map", maps->bgp_peer_dst_ip_map, USE_READ},
        {"bgp_peer_src_as_map", maps->ingress_maps[INGRESS_MAP_PEER_AS], USE_READ},
        {"bgp_src_local_pref_map", maps->ingress_maps[INGRESS_MAP_LOCAL_PREF], USE_READ},
        {"bgp_src_med_map", maps->ingress_maps[INGRESS_MAP_MED], USE_READ},
        {"geoipv2_file", maps->geoip_file, USE_READ},
        {"rpki_roas_file", maps->roas_file, USE_READ},
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        check_file(c, files[i].key, CONFIG_GLOBAL, files[i].path, files[i].use);
    for (uint32_t i = 0; i < d->instance_count; i++) {
        if (!is_tag_map_of_earlier(d, i))
            check_file(c, "pre_tag_map", i, d->instance_settings[i].tags.map, USE_READ);
        if (!is_networks_file_of_earlier(d, i))
            check_file(c, "networks_file", i, d->instance_settings[i].networks.file, USE_READ);
    }
    for (uint32_t i = 0; i < maps->list_count; i++)
        check_file(c, value_list_keys[maps->lists[i].kind].name, maps->lists[i].instance,
                   maps->lists[i].path, USE_READ);
    mem_free(allow_key);
}

/* ---- outputs: names that may hold conversions of strftime(3) and $variables ---- */

/* Appends a pattern that matches the names that a name with conversions and variables can become. */
static void append_glob(const char *name, struct text *out)
{
    for (const char *c = name; *c; c++) {
        if (*c == '%' && c[1]) {
            c++;
            text_append_string(out, strchr("YmdHMSjs", *c) ? "[0-9]*" : "*");
        } else if (*c == '$') {
            while (isalnum((unsigned char)c[1]) || c[1] == '_' || c[1] == '{' || c[1] == '}')
                c++;
            text_append_char(out, '*');
        } else {
            if (strchr("*?[\\", *c))
                text_append_char(out, '\\');
            text_append_char(out, *c);
        }
    }
}

/* Refuses files that are there already and are another user's: the first stands for all. */
static void check_existing(struct file_check *c, const char *name, const char *suffix)
{
    struct text pattern = {0};
    glob_t found = {0};
    char *first = NULL;
    size_t more = 0;

    append_glob(name, &pattern);
    text_append_string(&pattern, suffix);
    if (glob(text_cstr(&pattern), GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            if (!is_forbidden(found.gl_pathv[i], W_OK))
                continue;
            if (first)
                more++;
            else
                first = mem_strdup(found.gl_pathv[i]);
        }
    globfree(&found);
    text_clear(&pattern);
    if (first && more) {
        char *which = mem_printf("%s and %zu more like it", first, more);
        char *remedy =
            mem_printf("give them to that user: chown %s %s ...", c->daemon->user->name, first);
        refuse(c, "write", which, remedy);
        mem_free(remedy);
        mem_free(which);
    } else if (first) {
        refuse_file(c, "write", first);
    }
    mem_free(first);
}

static bool is_stream(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISSOCK(status.st_mode);
}

/* A name without a slash may be something else than a file, such as a database of a server. */
static void check_output(struct file_check *c, const char *name)
{
    static const char *const beside[] = {"", ".state", "-wal", "-shm", "-journal"};
    char *target = target_of(name), *fixed = mem_strndup(target, strcspn(target, "%$"));

    bool is_path = strchr(name, '/') && can_reach(c, fixed);

    if (is_path && is_stream(target)) {
        if (is_forbidden(target, W_OK))
            refuse_file(c, "write", name);
    } else if (is_path) {
        check_folder(c, fixed, true);
        for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
            check_existing(c, target, beside[i]);
        if (is_kept_by_sticky_folder(c, target))
            refuse_file(c, "replace", target);
    }
    mem_free(fixed);
    mem_free(target);
}

static void check_setting(void *arg, const struct config_setting *setting)
{
    struct file_check *c = arg;

    if (!setting->value ||
        (setting->key->role != PA_ROLE_OUTPUT && setting->key->role != PA_ROLE_OWN_OUTPUT &&
         setting->key->role != PA_ROLE_OWN_PLACE))
        return;
    c->key = setting->key->name;
    c->place = setting->place;
    check_output(c, setting->value);
}

/* ---- the spool, locks ---- */

static void check_spool(struct file_check *c, uint32_t index)
{
    const char *dir = c->daemon->instance_settings[index].spool_dir;
    char *own;
    DIR *list;

    if (!dir)
        return;
    c->key = "plugin_spool_dir";
    c->place = config_place(c->daemon->config, c->key, index);
    own = mem_printf("%s/%s", dir, config_instance_at(c->daemon->config, index)->name);
    if (!can_reach(c, own)) {
        mem_free(own);
        return;
    }
    if (access(own, F_OK) < 0)
        check_folder(c, own, false);
    else if (is_forbidden(own, R_OK | W_OK | X_OK))
        refuse_folder(c, own);
    list = opendir(own);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream of this readdir is ours alone */
    for (struct dirent *entry; list && (entry = readdir(list)) != NULL;) {
        char *path = mem_printf("%s/%s", own, entry->d_name);
        bool is_foreign = entry->d_type == DT_REG && is_forbidden(path, R_OK | W_OK);
        mem_free(path);
        if (is_foreign) { /* one stands for all */
            char *remedy = mem_printf("chown -R %s %s", c->daemon->user->name, own);
            refuse(c, "read what lies in", own, remedy);
            mem_free(remedy);
            break;
        }
    }
    if (list)
        closedir(list);
    mem_free(own);
}

/* A lock that another user left keeps the instance's process from starting. */
static void check_lock(struct file_check *c, uint32_t index)
{
    const struct config_instance *instance = config_instance_at(c->daemon->config, index);
    const struct supervisor_settings *s = &c->daemon->supervisor_settings;
    char *path = lock_folder_run_path(s->daemon_name, s->identity, instance->name);

    c->key = "plugins";
    c->place = instance->place;
    if (path && is_forbidden(path, R_OK | W_OK))
        refuse_file(c, "take the lock", path);
    mem_free(path);
}

static void check_lock_folder(struct file_check *c)
{
    struct text whose = {0};
    char *remedy;

    if (lock_folder_check(&whose) == 0)
        return;
    c->key = "user";
    c->place = config_place(c->daemon->config, c->key, CONFIG_GLOBAL);
    remedy = mem_printf("%s: remove the second, or: chown %s the first", text_cstr(&whose),
                        c->daemon->user->name);
    refuse(c, "have", "a folder for locks", remedy);
    mem_free(remedy);
    text_clear(&whose);
}

int user_check_files(const struct daemon *d, struct text *errors)
{
    struct file_check c = {.daemon = d, .errors = errors};
    static const char *const outputs[] = {"sfacctd_counter_file", "bgp_table_dump_file",
                                          "bgp_table_dump_latest_file"};

    if (!d->user || d->user->uid == 0)
        return 0;
    check_own_files(&c);
    check_lock_folder(&c);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        const char *file = config_value(d->config, outputs[i], CONFIG_GLOBAL);
        c.key = outputs[i];
        c.place = config_place(d->config, c.key, CONFIG_GLOBAL);
        if (file)
            check_output(&c, file);
    }
    for (uint32_t i = 0; i < d->instance_count; i++) {
        config_each_setting(d->config, i, check_setting, &c);
        check_spool(&c, i);
        check_lock(&c, i);
    }
    return c.has_failed ? -EINVAL : 0;
}
