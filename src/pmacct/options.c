/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the command line. Flags and messages are those of pmacct's client; what that client does
 * not have are long options. */
#include "pmacct/options.h"
#include "base/memory.h"
#include "base/text.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const metric_names[METRIC_COUNT] = {"packets", "bytes", "flows"};

enum { OPTION_UNITS = 256, OPTION_WATCH, OPTION_MATRIX, OPTION_BY };

/* ---- lists ---- */

char **split(const char *text, char separator, size_t *ret_count)
{
    char **parts = NULL;
    size_t count = 0;

    for (;;) {
        const char *end = strchr(text, separator);
        size_t len = end ? (size_t)(end - text) : strlen(text);
        parts = mem_realloc_array(parts, count + 1, sizeof *parts);
        parts[count++] = mem_strndup(text, len);
        if (!end)
            break;
        text = end + 1;
    }
    *ret_count = count;
    return parts;
}

void split_free(char **parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(parts[i]);
    mem_free(parts);
}

static void add_query(struct options *o, char *query)
{
    o->queries = mem_realloc_array(o->queries, o->query_count + 1, sizeof *o->queries);
    o->queries[o->query_count++] = query;
}

/* Reads queries from a file, one on each line. */
static int read_queries(const char *name, struct options *o, struct text *error)
{
    FILE *file = fopen(name, "re");
    char *line = NULL;
    size_t capacity = 0;

    if (!file) {
        text_append_printf(error, "file '%s' not found", name);
        return -EINVAL;
    }
    while (getline(&line, &capacity, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line)
            add_query(o, mem_strdup(line));
    }
    free(line);
    fclose(file);
    if (o->query_count > 0)
        return 0;
    text_append_printf(error, "file '%s' has no queries", name);
    return -EINVAL;
}

static int take_queries(const char *text, struct options *o, struct text *error)
{
    split_free(o->queries, o->query_count);
    o->queries = NULL;
    o->query_count = 0;
    if (!strncmp(text, "file:", 5))
        return read_queries(text + 5, o, error);
    o->queries = split(text, ';', &o->query_count);
    if (o->query_count > 1 && !*o->queries[o->query_count - 1]) /* as in "a;b;" */
        mem_free(o->queries[--o->query_count]);
    return 0;
}

static void take_list(const char *text, char ***list, size_t *count)
{
    split_free(*list, *count);
    *list = split(text, ',', count);
}

/* ---- values of flags ---- */

static bool find_metric(const char *name, size_t len, enum metric *ret_metric)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (strlen(metric_names[i]) == len && !strncmp(metric_names[i], name, len)) {
            *ret_metric = (enum metric)i;
            return true;
        }
    return false;
}

/* Unknown counters and outputs are no errors in pmacct: a line on stderr says what is ignored. */
static void take_metric(const char *text, struct options *o)
{
    o->has_all_metrics = !strcmp(text, "all");
    if (!o->has_all_metrics && !find_metric(text, strlen(text), &o->metric))
        fprintf(stderr, "WARN: -n, ignoring unknown counter type: %s.\n", text);
}

static void take_top(const char *text, struct options *o)
{
    size_t len = strcspn(text, ",");

    if (!find_metric(text, len, &o->sort_metric)) {
        fprintf(stderr, "WARN: -T, ignoring unknown counter type: %s.\n", text);
        return;
    }
    o->is_sorted = true;
    if (text[len])
        o->top_count = strtoull(text + len + 1, NULL, 10);
}

static void take_look(const char *text, struct options *o)
{
    static const struct {
        const char *name;
        enum look look;
    } looks[] = {{"formatted", LOOK_FORMATTED},
                 {"csv", LOOK_CSV},
                 {"json", LOOK_JSON},
                 {"aligned", LOOK_ALIGNED}};
    bool is_event = !strncmp(text, "event_", 6);
    const char *name = is_event ? text + 6 : text;

    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
        if (!strcmp(name, looks[i].name)) {
            o->look = looks[i].look;
            o->output.is_event = is_event;
            return;
        }
    fprintf(stderr, "WARN: -O, ignoring unknown output value: '%s'.\n", text);
}

static int take_separator(const char *text, struct options *o, struct text *error)
{
    if (!strcmp(text, "\\t"))
        o->output.separator = '\t';
    else if (!strcmp(text, "\\s"))
        o->output.separator = ' ';
    else if (strlen(text) == 1)
        o->output.separator = *text;
    else {
        text_append_printf(error, "-E: '%s' is not one character, \\t or \\s", text);
        return -EINVAL;
    }
    return 0;
}

static int take_seconds(const char *text, struct options *o, struct text *error)
{
    char *end;
    unsigned long seconds = text ? strtoul(text, &end, 10) : 2;

    if (text && (*end || *text < '0' || *text > '9' || seconds < 1 || seconds > 3600)) {
        text_append_printf(error, "--watch: '%s' is not a number of seconds, 1 to 3600", text);
        return -EINVAL;
    }
    o->watch_s = (unsigned)seconds;
    return 0;
}

static int take_matrix(const char *row, int argc, char **argv, struct options *o,
                       struct text *error)
{
    struct text both = {0};

    text_append_string(&both, row);
    if (optind < argc && argv[optind][0] != '-')
        text_append_printf(&both, ",%s", argv[optind++]);
    take_list(text_cstr(&both), &o->by, &o->by_count);
    text_clear(&both);
    if (o->by_count >= 2)
        return 0;
    text_append_string(error, "--matrix takes two primitives or more, the last for the columns: "
                              "--matrix peer_src_ip peer_dst_as");
    return -EINVAL;
}

/* ---- */

static int set_action(struct options *o, enum action action, struct text *error)
{
    if (o->action != ACTION_NONE && o->action != action) {
        text_append_string(error, "-s, -t, -N, -M and -C options are each mutually exclusive.");
        return -EINVAL;
    }
    o->action = action;
    return 0;
}

static int set_view(struct options *o, enum action view, struct text *error)
{
    if (o->view != ACTION_NONE && o->view != view) {
        text_append_string(error, "--watch and --matrix are mutually exclusive");
        return -EINVAL;
    }
    o->view = view;
    return 0;
}

static int take_flag(int flag, int argc, char **argv, struct options *o, struct text *error)
{
    switch (flag) {
    case 's':
        return set_action(o, ACTION_ROWS, error);
    case 'M':
        return set_action(o, ACTION_MATCH, error) < 0 ? -EINVAL : take_queries(optarg, o, error);
    case 'N':
        return set_action(o, ACTION_COUNTERS, error) < 0 ? -EINVAL : take_queries(optarg, o, error);
    case 'e':
        return set_action(o, ACTION_ERASE, error);
    case 'i':
        return set_action(o, ACTION_ERASED, error);
    case 't':
        return set_action(o, ACTION_STATUS, error);
    case 'C':
        return set_action(o, ACTION_CLASSES, error);
    case 'U':
        return set_action(o, ACTION_CUSTOM, error);
    case 'h':
        o->action = ACTION_HELP;
        return 1;
    case 'V':
        o->action = ACTION_VERSION;
        return 1;
    case 'p':
        o->path = optarg;
        return 0;
    case 'c':
        take_list(optarg, &o->columns, &o->column_count);
        return 0;
    case 'n':
        take_metric(optarg, o);
        return 0;
    case 'T':
        take_top(optarg, o);
        return 0;
    case 'O':
        take_look(optarg, o);
        return 0;
    case 'E':
        return take_separator(optarg, o, error);
    case 'S':
        o->sums_up = true;
        return 0;
    case 'r':
        o->resets = true;
        return 0;
    case 'a':
        o->output.has_all_columns = true;
        return 0;
    case 'I':
        o->output.time = QUERY_TIME_EPOCH;
        return 0;
    case 'u':
        o->output.has_numeric_protos = true;
        return 0;
    case '0':
        o->output.is_utc = true;
        return 0;
    case 'l': /* ignored: an answer is of one instant anyway */
        return 0;
    case OPTION_UNITS:
        o->has_units = true;
        return 0;
    case OPTION_BY:
        take_list(optarg, &o->by, &o->by_count);
        return 0;
    case OPTION_WATCH:
        return set_view(o, ACTION_WATCH, error) < 0 ? -EINVAL : take_seconds(optarg, o, error);
    case OPTION_MATRIX:
        return set_view(o, ACTION_MATRIX, error) < 0 ? -EINVAL
                                                     : take_matrix(optarg, argc, argv, o, error);
    default:
        text_append_string(error, "unknown option, or one without its value; -h lists them");
        return -EINVAL;
    }
}

static int options_check(const struct options *o, struct text *error)
{
    bool is_rows = o->action == ACTION_ROWS || o->action == ACTION_MATCH;
    const char *what = NULL;

    if (o->action == ACTION_NONE)
        what = "no options specified. Either -s, -e, -t, -M, -N or -C must be supplied.";
    else if (o->query_count > 0 && o->column_count == 0)
        what = "-N or -M selected but -c has not been specified or is invalid.";
    else if (o->resets && o->query_count == 0)
        what = "-r resets what -N or -M selects; -e clears the whole table";
    else if ((o->view != ACTION_NONE || o->by_count > 0) && !is_rows)
        what = "--watch, --matrix and --by go with -s or -M";
    else if (o->view != ACTION_NONE && o->look == LOOK_JSON)
        what = "--watch and --matrix are shown in columns or, but for --watch, as csv";
    else if (o->view != ACTION_NONE && o->resets)
        what = "--watch and --matrix only look; -r goes with -N or -M alone";
    if (!what)
        return 0;
    text_append_string(error, what);
    return -EINVAL;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct text *error)
{
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {"units", no_argument, NULL, OPTION_UNITS},
                                          {"by", required_argument, NULL, OPTION_BY},
                                          {"watch", optional_argument, NULL, OPTION_WATCH},
                                          {"matrix", required_argument, NULL, OPTION_MATRIX},
                                          {0}};
    struct options o = {.path = QUERY_PATH_DEFAULT,
                        .metric = METRIC_BYTES,
                        .sort_metric = METRIC_BYTES,
                        .watch_s = 2};
    int flag, err = 0;

    while (err == 0 && (flag = getopt_long(argc, argv, "hsN:M:n:Sac:T:eirltCUp:O:E:Iu0V", longs,
                                           NULL)) != -1) // NOLINT(concurrency-mt-unsafe)
        err = take_flag(flag, argc, argv, &o, error);
    if (err == 0 && optind < argc) {
        text_append_printf(error, "'%s' is not an option; -h lists them", argv[optind]);
        err = -EINVAL;
    }
    if ((o.view != ACTION_NONE || o.by_count > 0) && o.action == ACTION_NONE)
        o.action = ACTION_ROWS;
    if (err == 0)
        err = options_check(&o, error);
    if (err < 0) {
        options_clear(&o);
        return err;
    }
    *ret_options = o;
    return 0;
}

void options_clear(struct options *o)
{
    split_free(o->columns, o->column_count);
    split_free(o->queries, o->query_count);
    split_free(o->by, o->by_count);
    *o = (struct options){0};
}

void options_append_usage(const char *program, struct text *out)
{
    text_append_printf(
        out,
        "pmacct, client of memory tables, pathacct %s\n"
        "Usage: %s -s | -M LIST | -N LIST | -e | -i | -t | -C | -U | --watch | --matrix ROW "
        "COLUMN ...\n"
        "\n"
        "What to ask:\n"
        "  -s            all rows\n"
        "  -M LIST       rows that match (with -c)\n"
        "  -N LIST       a number for each query: what its rows add up to (with -c)\n"
        "                LIST: values,of,one,query;values,of,the,next or file:NAME with a query a\n"
        "                line; * is any value, 192.0.2.0/24 any address in it\n"
        "  -c P,P...     the primitives that these values are of\n"
        "  --watch[=S]   live view, every S seconds (2); q quits\n"
        "  --matrix R,R... C\n"
        "                cross table: rows by one or more primitives, columns by one, with sums\n"
        "  --by P,P...   rows added up by these primitives (of -s, -M, --watch)\n"
        "  -t            status of the table; -i seconds since it was last cleared (or never)\n"
        "  -e            clear the table\n"
        "  -r            take out what -N or -M selects, at the instant of the answer\n"
        "  -C, -U        classifiers, custom primitives\n"
        "\n"
        "How to show it:\n"
        "  -O FORM       formatted, csv, json, event_formatted, event_csv, aligned (the default\n"
        "                on a terminal; else formatted)\n"
        "  -T C[,N]      sorted by bytes, packets or flows, and only the first N\n"
        "  -n C          bytes, packets, flows or all (-N); the counter of --matrix\n"
        "  -S            one sum instead of a number for each query (-N)\n"
        "  --units       1.2G instead of 1234567890\n"
        "  -a            also columns that the table does not have\n"
        "  -E C          separator of CSV\n"
        "  -I            times in seconds since 1970; -0 in UTC; -u IP protocols as numbers\n"
        "  -l            accepted: an answer is always of one instant\n"
        "  -p FILE       the socket, imt_path of the memory plugin (%s)\n"
        "  -h, -V        this page; the version\n",
        PATHACCT_VERSION, program, QUERY_PATH_DEFAULT);
}
