/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PATHACCT_PLUGIN_H
#define PATHACCT_PLUGIN_H
/*
 * The interface between pathacct and a backend. A backend sees nothing else, and this header
 * includes nothing but the C library. A backend is a shared object NAME.so that defines one object
 * with PA_PLUGIN_EXPORT; pathacct-host loads it, in a process of its own for each configured
 * instance (`plugins: NAME[instance]`).
 *
 * The life of an instance. All calls come from one thread.
 *
 *     open                            settings were checked against `keys` before
 *     { begin  write...  commit }...  a transaction; its rows come from whole hand-overs
 *     close                           also after a failed open
 *
 * It is lived once, or several times one after the other: rows that an earlier configuration left on
 * disk have other columns, and come after an open with their schema.
 *
 * A hand-over is a run of finished rows from one worker of the core. Its identity is (core_id,
 * worker, seq); seq counts 1, 2, 3... Once commit has returned 0 the core forgets the hand-overs
 * that begin named. A process that dies before that is started again and gets the same hand-overs
 * once more: in the same transaction, or one at a time when it died twice over them or when they
 * had to wait on disk. A transaction never mixes hand-overs that were named before with others. So
 * a backend that wants every row exactly once makes the identities durable together with the rows,
 * (core_id, worker) -> last_seq, and answers PA_DONE_ALREADY in begin to a transaction that it
 * finds done. The hand-overs of one worker come in order.
 *
 * Functions return 0 or a negative errno. -EAGAIN from begin, write or commit means that the
 * backend cannot take the rows now; abort is called and the whole transaction is tried again after
 * a pause, for ever. Any other failure is treated the same way but logged as an error each time its
 * text changes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PA_PLUGIN_ABI 1

/* ---- rows ---- */

/* How a column is stored in a row. Nothing is aligned: read with memcpy. Numbers are in host byte
 * order. */
enum pa_kind {
    PA_KIND_U8,
    PA_KIND_U16,
    PA_KIND_U32,
    PA_KIND_U64,
    PA_KIND_ADDR,  /* 17 bytes: 16 in network order (IPv4 as ::ffff:a.b.c.d), then 0 none, 4 or 6 */
    PA_KIND_MAC,   /* 6 bytes */
    PA_KIND_TIME,  /* int64_t nanoseconds since the Unix epoch, 0 unknown */
    PA_KIND_BYTES, /* uint32_t id into the batch's dictionary; 0 is the empty string */
    PA_KIND_FIXED  /* `width` bytes as they were on the wire (custom primitives) */
};

/* How a column reads as text. */
enum pa_format {
    PA_FORMAT_UINT,
    PA_FORMAT_HEX, /* without prefix and padding: 800 */
    PA_FORMAT_IP,
    PA_FORMAT_MAC,
    PA_FORMAT_TIME,
    PA_FORMAT_TEXT,        /* PA_KIND_BYTES, or PA_KIND_FIXED padded with zeros */
    PA_FORMAT_LABEL,       /* text; may be a map "k%v,k%v" */
    PA_FORMAT_CLASS,       /* text; "unknown" when empty */
    PA_FORMAT_COMMUNITIES, /* text, joined by '_' */
    PA_FORMAT_AS_PATH,     /* text, joined by '_' */
    PA_FORMAT_PROTO,       /* name of the IP protocol or its number */
    PA_FORMAT_TOS,
    PA_FORMAT_TCP_FLAGS,
    PA_FORMAT_RD, /* route distinguisher (RFC 4364 section 4.2); type 65535: a VRF id in the low 4
                     bytes */
    /* Who told the distinguisher: unknown, map, BGP, flow, option; a JSON key, not a CSV column. */
    PA_FORMAT_RD_ORIGIN,
    PA_FORMAT_FWD_STATUS,
    PA_FORMAT_DIRECTION,   /* i, e, u */
    PA_FORMAT_PATH_MATCH,  /* a name out of `value_names` */
    PA_FORMAT_LABEL_STACK, /* 4 bytes a label, host order, top first */
    PA_FORMAT_IPV6_LIST,   /* 16 bytes an address */
    PA_FORMAT_CUSTOM_UINT, /* custom primitives: always text in JSON */
    PA_FORMAT_CUSTOM_HEX,
    PA_FORMAT_CUSTOM_IP,
    PA_FORMAT_CUSTOM_MAC,
    PA_FORMAT_CUSTOM_TEXT,
    PA_FORMAT_CUSTOM_RAW,
    PA_FORMAT_REAL, /* PA_KIND_U64 whose bytes are a finite double; a number in JSON */
    /* PA_KIND_BYTES of events alone: members of a JSON object without its braces, as they are to
     * stand in the output; `"a": 1, "b": "x"`. */
    PA_FORMAT_MEMBERS
};

/* How the values of a column are put together when rows of equal key become one. */
enum pa_combine {
    PA_COMBINE_KEY, /* the column is part of the key */
    PA_COMBINE_SUM,
    PA_COMBINE_OR,
    PA_COMBINE_MIN, /* the least of the known (non-zero) values */
    PA_COMBINE_MAX
};

struct pa_column {
    const char *name;      /* in `aggregate` */
    const char *json_name; /* empty or NULL where the column is not shown, as the next two */
    const char *csv_title;
    const char *sql_name;
    uint8_t kind, format, combine; /* the enums above */
    uint16_t width;                /* bytes in the row */
    uint32_t offset;               /* from the start of the row */
    /* Places in the order of outputs, ascending; SQL columns stand in JSON order. */
    uint16_t json_place, csv_place;
    /* Names of the values 0, 1, 2..., separated by '|'; NULL: they have none. */
    const char *value_names;
};

/*
 * Rows of an instance that the core makes for event records (counters of sFlow) are of several
 * kinds. The columns are the union of what these hold, and two that stand behind those: event_kind
 * (U8) tells the kind; event_present (FIXED) has a bit for each column before the two, the lowest
 * bit of the first byte for the first of them, which is 1 where the row has a value.
 */
struct pa_event_kind {
    const char *name;
    uint32_t member_count;
    const uint16_t *members; /* places in `columns`, in the order of output */
};

/*
 * The columns of a row, keys before the others, in no particular order among themselves. A row is
 * row_size bytes; the first key_size bytes are its key (packed, without padding): equal keys are
 * equal bytes, but for PA_KIND_BYTES columns, which compare by the bytes behind their ids. A column
 * named has_counters (U8, OR) without names for output is 0 in rows of events alone: their exporter
 * said nothing of packets and bytes, which is not the same as 0.
 */
struct pa_schema {
    uint32_t row_size, key_size;
    int32_t bin_offset; /* int64_t seconds: start of the row's time bin, part of the key; -1: no
                           time bins */
    /* Offset of a uint64_t, replay's order of rows, of no meaning to backends; -1: none. */
    int32_t order_offset;
    uint32_t column_count;
    const struct pa_column *columns;
    uint32_t bin_seconds;      /* length of a bin; 0: none, or a calendar month */
    uint8_t is_unaggregated;   /* each row is one flow, or one event */
    uint32_t event_kind_count; /* 0: rows are flows */
    const struct pa_event_kind *event_kinds;
};

struct pa_bytes {
    const uint8_t *data;
    uint32_t len;
};

struct pa_source;

/* Rows in contiguous memory, borrowed for the call, or longer with PA_PLUGIN_KEEPS_HANDOVERS. */
struct pa_batch {
    const uint8_t *rows;
    uint32_t row_count;
    uint32_t dictionary_count;         /* entry 0 included */
    const struct pa_bytes *dictionary; /* by id; entry 0 is empty */
    /* The hand-over that all these rows are part of (first_seq is last_seq), and the place of the
     * first row in it, from 0. NULL if rows of several hand-overs were merged, which
     * PA_PLUGIN_KEEPS_HANDOVERS excludes. Borrowed for the call. */
    const struct pa_source *source;
    uint64_t first_row;
};

/* ---- transactions ---- */

struct pa_source {
    uint8_t core_id[16]; /* random, made at each start of the core */
    uint32_t worker;
    uint64_t first_seq, last_seq; /* hand-overs first..last of that worker */
};

struct pa_transaction {
    uint32_t source_count;
    const struct pa_source *sources;
    uint64_t epoch;     /* the epoch that ends with the transaction */
    int64_t time_ns;    /* when it is written: by the clock, or by the capture's clock in replay */
    uint64_t row_count; /* counts all its rows, after merging */
    uint8_t ends_epoch; /* 0: unaggregated rows that could not wait */
    uint8_t is_last;    /* the core is going down: nothing comes after it */
};

/* ---- settings ---- */

enum pa_key_type {
    PA_KEY_BOOL,
    PA_KEY_INT,
    PA_KEY_SIZE,
    PA_KEY_DURATION,
    PA_KEY_STRING,
    PA_KEY_CHOICE,
    PA_KEY_IGNORED
};

/* The meaning of a key to the core, whatever its backend calls it. */
enum pa_key_role {
    PA_ROLE_NONE,
    PA_ROLE_REFRESH_TIME,     /* seconds of an epoch */
    PA_ROLE_HISTORY,          /* length of a time bin */
    PA_ROLE_HISTORY_ROUNDOFF, /* letters of mhdwM */
    PA_ROLE_HISTORY_OFFSET,   /* seconds */
    /* Where the instance serves: no other instance of the plugin may have the same value. */
    PA_ROLE_OWN_PLACE,
    /* The path of a file that it writes, with strftime(3) conversions and $variables: whether the
     * daemon's user may is looked at before the start. */
    PA_ROLE_OUTPUT,
    PA_ROLE_OWN_OUTPUT, /* such a path; no other instance may have it, unless it is of a stream */
    PA_ROLE_PROGRAM,    /* a program that the plugin starts (start_program) */
    /* A boolean; with true the core opens raw sockets for the instance (raw_socket). */
    PA_ROLE_RAW_SOCKETS,
    PA_ROLE_STARTUP_DELAY /* seconds by which the ends of epochs come later */
};

struct pa_key {
    const char *name;          /* NULL ends the table */
    uint8_t type;              /* enum pa_key_type */
    uint8_t is_global;         /* 1: may not be bound to an instance */
    uint8_t role;              /* enum pa_key_role */
    const char *default_value; /* as it would stand in the file; NULL: unset */
    int64_t min, max;          /* numbers; both 0: unbounded */
    const char *choices;       /* PA_KEY_CHOICE: "json|csv|formatted" */
    const char *aliases;       /* other names, separated by '|' */
    const char *help;          /* one line */
};

/* A backend waits for these in calls in which it cannot beat. */
enum pa_wait {
    PA_WAIT_OVER,   /* for nothing any more */
    PA_WAIT_FILE,   /* files: the call is alive while the kernel sees it move, or in the disk */
    PA_WAIT_READER, /* somebody who reads a stream: may last for ever */
    PA_WAIT_PROGRAM /* a program that it has started: likewise */
};

enum pa_log_level { PA_LOG_ERROR, PA_LOG_WARNING, PA_LOG_NOTICE, PA_LOG_INFO, PA_LOG_DEBUG };

/* The host's side of the interface. All pointers are valid until close returns. */
struct pa_host {
    void *own;                                             /* belongs to the host; pass it back */
    const char *instance_name, *plugin_name, *daemon_name; /* "matrix", "print", "nfacctd" */
    uint8_t is_replay; /* the input is a capture file: stamps come from there */
    /* strict_config is false: where a promise cannot be kept the user prefers a warning to a
     * refusal. */
    uint8_t is_tolerant;
    /* Returns the value in force of a key of `keys` or `shared_keys`, by its name there, not an
     * alias: the default if it was not set, NULL if there is none. A key of neither table is a
     * fault of the plugin: the host says so and ends the process. */
    const char *(*setting)(const struct pa_host *host, const char *key);
    /* Returns the value as a number: 0/1, the number, bytes, seconds, or the index of the
     * choice. */
    int64_t (*setting_number)(const struct pa_host *host, const char *key);
    void (*log)(const struct pa_host *host, int level, const char *format, ...)
#ifdef __GNUC__
        __attribute__((format(printf, 3, 4)))
#endif
        ;
    /* Adds to a counter of this instance in the statistics, which is made when first used. */
    void (*count)(const struct pa_host *host, const char *name, uint64_t n);
    /* Says that the backend will never take this row of the transaction under way: it is counted as
     * `rejected`. */
    void (*reject_row)(const struct pa_host *host, const uint8_t *row, const char *why);
    /* Calls `fn` on the instance's thread whenever `fd` is readable; NULL `fn` ends that. For
     * backends that serve clients. */
    int (*watch)(const struct pa_host *host, int fd, void (*fn)(void *state, int fd), void *state);
    /*
     * Says that the plugin is alive, for calls that last: at least every few seconds, as often as
     * it likes. Between calls the host does it. A process from which nothing is heard for timeout_s
     * while rows wait is killed. Returns 0, or -ECANCELED when the time to end is over: give up what
     * is waited for and return -EAGAIN.
     */
    int (*beat)(const struct pa_host *host);
    /* Tells what the plugin waits for from now on, until it says otherwise or its function
     * returns. */
    void (*wait)(const struct pa_host *host, enum pa_wait what);
    uint32_t timeout_s; /* plugin_timeout; 0: no process is killed */
    /*
     * Starts the program that a key with PA_ROLE_PROGRAM names, as a child of this process, which
     * waits for it. It has the standard descriptors alone, no signal blocked, and none of the limits
     * that the process itself may have. `variables` is added to the environment: NAME=value, NULL
     * at the end. Negative errno: it was not started.
     */
    int (*start_program)(const struct pa_host *host, const char *key, char *const *variables,
                         int *ret_pid);
    /*
     * Returns the raw socket of a family, AF_INET or AF_INET6, which takes whole packets from their IP
     * header on. It was opened by the core at its start, as the process itself may not, and stays the
     * host's. -ENOENT: no key with PA_ROLE_RAW_SOCKETS is true, or the system lacks that family.
     */
    int (*raw_socket)(const struct pa_host *host, int family);
};

/* ---- the plugin ---- */

enum { PA_DONE_ALREADY = 1 }; /* begin returns it */
/* Flags of a plugin. */
enum {
    PA_PLUGIN_ADDS_UP = 1, /* the backend puts rows of equal key together by itself */
    /*
     * Rows are never merged or sorted: each batch is part of one hand-over and says which. A
     * hand-over that comes again has the same rows in the same places. Rows and dictionaries stay
     * where they are until commit or abort returns.
     */
    PA_PLUGIN_KEEPS_HANDOVERS = 2,
    /* Committed rows are gone when the process ends; after a death they are counted as
     * `table_lost`. */
    PA_PLUGIN_IS_VOLATILE = 4,
    /* The plugin was built with the member try_out, which is not NULL. */
    PA_PLUGIN_TRIES_OUT = 8,
    /*
     * Calls of the system in which the plugin cannot beat may stand still, as those on files do. Its
     * functions but check and try_out run on a thread for them alone, always the same; the host sees
     * by it whether the backend stands still, and spools meanwhile. `watch` cannot be used then. Has
     * no effect with PA_PLUGIN_KEEPS_HANDOVERS.
     */
    PA_PLUGIN_BLOCKS = 16,
    /*
     * The rows are not flows but the datagrams that exporters sent, a row each: the columns exporter
     * (PA_KIND_ADDR) and port (U16) tell who, tag (U64) what pre_tag_map set, for_all (U8) is 1 of
     * what has no flows of its own but is needed to read those of others: templates, options. datagram
     * (BYTES) is the payload. They come within 20 ms, at most once: what a process had taken when it died is lost,
     * and there is no spool. Hand-overs are kept as with PA_PLUGIN_KEEPS_HANDOVERS.
     */
    PA_PLUGIN_TAKES_DATAGRAMS = 32
};

struct pa_plugin {
    uint32_t abi; /* PA_PLUGIN_ABI */
    uint32_t flags;
    const char *name;                 /* as in `plugins:` */
    const char *help;                 /* one line */
    const struct pa_key *keys;        /* this plugin's own */
    const struct pa_key *shared_keys; /* more keys, which several plugins share; may be NULL */
    /*
     * Checks what a table of keys cannot: combinations, names. Opens nothing. Writes what is wrong
     * and what would be right to `error` and returns -EINVAL. May be NULL.
     */
    int (*check)(const struct pa_host *host, const struct pa_schema *schema, char *error,
                 size_t error_size);
    int (*open)(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
    /* May be NULL. PA_DONE_ALREADY: the backend holds all of the transaction; it is acknowledged,
     * without write and commit. */
    int (*begin)(void *state, const struct pa_transaction *transaction);
    int (*write)(void *state, const struct pa_batch *batch);
    int (*commit)(void *state, const struct pa_transaction *transaction);
    void (*abort)(void *state); /* forgets what was written since begin; may be NULL */
    /* Called on SIGHUP, and with PA_PLUGIN_TAKES_DATAGRAMS on SIGUSR2 too: maps are read anew. May be
     * NULL. */
    int (*reopen)(void *state);
    void (*close)(void *state); /* `state` is NULL after a failed open that set none */
    /*
     * Tries what open and the first transaction will need: folders, servers, tables. It is called
     * in place of open, in a process of its own (`nfacctd -T setup`), after check. It leaves all as
     * it was: nothing is made, cut or locked, and rows of others are not touched. It returns within
     * a minute. On failure all that is wrong, with the remedy, stands in `error`, a line each, or was
     * logged as an error or a warning. Read only with PA_PLUGIN_TRIES_OUT in `flags`, as plugins
     * built with an earlier header lack it.
     */
    int (*try_out)(const struct pa_host *host, const struct pa_schema *schema, char *error,
                   size_t error_size);
};

#ifdef __cplusplus
#define PA_PLUGIN_EXPORT                                                                           \
    extern "C" __attribute__((visibility("default"))) const struct pa_plugin pa_plugin
#else
#define PA_PLUGIN_EXPORT                                                                           \
    extern const struct pa_plugin pa_plugin;                                                       \
    __attribute__((visibility("default"))) const struct pa_plugin pa_plugin
#endif

#ifdef __cplusplus
}
#endif
#endif
