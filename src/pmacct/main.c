/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmacct: the program that asks memory tables, as pmacct(1) describes it. */
#include "base/memory.h"
#include "base/text.h"
#include "pmacct/show.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool print_text(struct text *text)
{
    bool is_whole = text->len == 0 || fwrite(text->data, 1, text->len, stdout) == text->len;

    text_reset(text);
    return is_whole;
}

int make_match(const struct query *query, const struct options *options, struct text *error,
               struct query_match **ret_match)
{
    struct query_match *match = NULL;
    int err;

    *ret_match = NULL;
    if (options->query_count == 0)
        return 0;
    err = query_match_new(query, options->columns, options->column_count, error, &match);
    for (size_t i = 0; i < options->query_count && err == 0; i++) {
        size_t count;
        char **values = split(options->queries[i], ',', &count);
        if (count == options->column_count) {
            err = query_match_add(match, values, error);
        } else {
            text_append_printf(error, "%zu primitives after -c, but %zu values in '%s'",
                               options->column_count, count, options->queries[i]);
            err = -EINVAL;
        }
        split_free(values, count);
    }
    if (err < 0)
        query_match_free(match);
    else
        *ret_match = match;
    return err;
}

/* Chooses the look of the output: on a terminal columns are as wide as what they hold; a script
 * gets what pmacct prints. */
static void choose_look(struct options *options)
{
    if (options->look == LOOK_DEFAULT)
        options->look = (options->has_units || isatty(STDOUT_FILENO)) && !options->output.is_event
                            ? LOOK_ALIGNED
                            : LOOK_FORMATTED;
    options->output.form = options->look == LOOK_CSV    ? QUERY_CSV
                           : options->look == LOOK_JSON ? QUERY_JSON
                                                        : QUERY_FORMATTED;
    if (!options->output.separator)
        options->output.separator = ',';
}

static int show_selected(struct query *query, const struct options *options, struct text *error)
{
    struct query_match *match;
    int err = make_match(query, options, error, &match);

    if (err < 0)
        return err;
    if (options->view == ACTION_MATRIX)
        err = show_matrix(query, match, options, error);
    else if (options->action == ACTION_COUNTERS)
        err = show_counters(query, match, options, error);
    else if (options->by_count > 0)
        err = show_groups(query, match, options, error);
    else
        err = show_rows(query, match, options, error);
    query_match_free(match);
    return err;
}

static int ask_table(const struct options *options, struct text *error)
{
    struct query *query;
    int err;

    if (options->view == ACTION_WATCH)
        return watch_rows(options, error);
    err = query_open(options->path, error, &query);
    if (err < 0)
        return err;
    switch (options->action) {
    case ACTION_ERASE:
        err = erase_table(query, error);
        break;
    case ACTION_ERASED:
        err = show_erased(query, error);
        break;
    case ACTION_STATUS:
        err = show_status(query, error);
        break;
    case ACTION_CLASSES:
        err = show_classes(query, options, error);
        break;
    case ACTION_CUSTOM:
        err = show_custom(query);
        break;
    default:
        err = show_selected(query, options, error);
        break;
    }
    query_close(query);
    return err;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct text text = {0};
    int err = options_parse(argc, argv, &options, &text);

    signal(SIGPIPE, SIG_IGN);
    if (err == 0 && options.action == ACTION_HELP) {
        options_append_usage("pmacct", &text);
        print_text(&text);
    } else if (err == 0 && options.action == ACTION_VERSION) {
        text_append_string(&text, "pmacct IMT plugin client, pathacct " PATHACCT_VERSION "\n");
        print_text(&text);
    } else if (err == 0) {
        choose_look(&options);
        err = ask_table(&options, &text);
    }
    if (err < 0)
        fprintf(stderr, "ERROR: %s\n", text_cstr(&text));
    else if (fflush(stdout) != 0 && errno != EPIPE) {
        fprintf(stderr, "ERROR: standard output: %s\n", strerrordesc_np(errno));
        err = -errno;
    }
    options_clear(&options);
    text_clear(&text);
    return err < 0 ? 1 : 0;
}
