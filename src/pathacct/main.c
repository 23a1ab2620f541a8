/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pathacct: asks a running daemon how it is and what it knows, as pathacct(1) describes it. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "pathacct/views.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct options {
    struct place place;
    const char *peer, *rd, *limit;
    bool is_json, is_watch;
    double watch_s;
};

/* ---- commands ---- */

struct command {
    const char *name, *argument, *help;
    const char *page;
    view_fn *view;
};

static const struct command commands[] = {
    {"status", NULL, "is it well, what arrives, what is behind", "status", view_status},
    {"exporters", "[ADDRESS]", "who sends flows", "exporters", view_exporters},
    {"peers", NULL, "BGP sessions and BMP routers", "peers", view_peers},
    {"routes", "ADDRESS|PREFIX", "every path there, and which is best", "routes", view_routes},
    {"templates", "[EXPORTER]", "what exporters announce, and what is read of it", "templates",
     view_templates},
    {"options", "[EXPORTER]", "rates and names that exporters have told", "options", view_options},
    {"plugins", NULL, "plugin processes and their backends", "plugins", view_plugins},
    {"ledger", NULL, "what became of the flows of each instance", "ledger", view_ledger},
    {"log", NULL, "the last lines of the log; --watch follows it", "log", view_log},
    {"configuration", NULL, "what is set, and where", "configuration", view_configuration},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_help(void)
{
    printf("pathacct [options] [command]: asks a running daemon\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-14s %-15s %s\n", commands[i].name,
               commands[i].argument ? commands[i].argument : "", commands[i].help);
    printf("\n"
           "  -s, --socket FILE      the daemon's control_socket; found if one daemon runs here\n"
           "  -u, --url URL          its http_listen: http://HOST:PORT, https://HOST:PORT\n"
           "      --token-file FILE  its http_token_file\n"
           "      --ca-file FILE     https: authorities that are trusted, or its http_tls_cert\n"
           "  -j, --json             the answer as it is\n"
           "  -w, --watch[=SECONDS]  again and again, every 2 s unless said\n"
           "      --peer ADDRESS     routes: only of this peer\n"
           "      --rd RD            routes: of the VPN of this route distinguisher\n"
           "      --limit NUMBER     lists: so many at most\n"
           "  -h, --help, -V, --version\n\n"
           "exit status: 0 all is well; 1 something is not, or nothing was found; 2 a wrong\n"
           "question; 3 no daemon runs or answers; 4 an answer that makes no sense. See "
           "pathacct(1).\n");
}

static int complain(enum outcome outcome, struct text *error)
{
    fprintf(stderr, "pathacct: %s\n", text_cstr(error));
    text_clear(error);
    return (int)outcome;
}

/* ---- questions ---- */

static void append_option(struct text *page, const char *name, const char *value)
{
    if (value)
        client_append_parameter(page, memchr(page->data, '?', page->len) ? '&' : '?', name, value);
}

/* Makes the page of a question; false: the command does not take this argument. */
static bool make_page(const struct command *command, const struct options *o, const char *argument,
                      struct text *page)
{
    bool is_routes = command->view == view_routes, has_exporter = command->view == view_exporters ||
                                                                  command->view == view_templates ||
                                                                  command->view == view_options;

    if (is_routes ? !argument : argument && !has_exporter)
        return false;
    text_append_printf(page, "/api/v1/%s", command->page);
    if (is_routes) {
        append_option(page, strchr(argument, '/') ? "prefix" : "address", argument);
        append_option(page, "peer", o->peer);
        append_option(page, "rd", o->rd);
    }
    if (has_exporter)
        append_option(page, "exporter", argument);
    if (is_routes || has_exporter || command->view == view_log)
        append_option(page, "limit", o->limit);
    return true;
}

static struct look look_of_terminal(void)
{
    struct winsize size;
    bool is_terminal = isatty(STDOUT_FILENO);

    return (struct look){
        .width = is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0,
        .has_units = is_terminal};
}

/* Asks once and appends what there is to see. */
static enum outcome ask(const struct command *command, const struct options *o, const char *page,
                        struct text *out, struct text *error, json_t **ret_answer)
{
    struct look look = look_of_terminal();
    enum outcome outcome = client_ask(&o->place, page, error, ret_answer);

    if (outcome != OUTCOME_FINE)
        return outcome;
    struct text seen = {0};
    outcome = command->view(*ret_answer, &look, o->is_json ? &seen : out);
    text_clear(&seen);
    if (o->is_json) {
        char *text = json_dumps(*ret_answer, o->is_watch ? JSON_COMPACT : JSON_INDENT(2));
        text_append_string(out, text ? text : "null");
        text_append_char(out, '\n');
        free(text); /* NOLINT: jansson allocated it */
    }
    return outcome;
}

static bool print_text(struct text *text)
{
    bool is_whole = text->len == 0 || fwrite(text->data, 1, text->len, stdout) == text->len;

    text_reset(text);
    return fflush(stdout) == 0 && is_whole;
}

static void sleep_s(double s)
{
    struct timespec time = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};

    nanosleep(&time, NULL);
}

/* Shows the answer again and again, on a terminal in one place, until a signal or nobody reads. */
static enum outcome watch(const struct command *command, const struct options *o,
                          const struct text *page)
{
    bool is_terminal = isatty(STDOUT_FILENO), is_log = command->view == view_log;
    struct text out = {0}, error = {0}, next = {0};
    enum outcome outcome = OUTCOME_FINE;

    text_append(&next, page->data, page->len);
    for (bool is_first = true;; is_first = false) {
        json_t *answer = NULL;
        if (is_terminal && !is_log && !o->is_json)
            text_append_string(&out, "\033[H\033[2J");
        else if (!is_first && !is_log && !o->is_json)
            text_append_char(&out, '\n');
        outcome = ask(command, o, text_cstr(&next), &out, &error, &answer);
        if (error.len > 0) { /* it may come again */
            text_append_printf(&out, "pathacct: %s\n", text_cstr(&error));
            text_reset(&error);
        } else if (is_log) {
            char number[24];
            snprintf(number, sizeof number, "%lld",
                     (long long)json_integer_value(json_object_get(answer, "next")) - 1);
            text_reset(&next);
            text_append_string(&next, "/api/v1/log");
            append_option(&next, "after", number);
            append_option(&next, "limit", o->limit);
        }
        json_decref(answer);
        if (!print_text(&out) || outcome == OUTCOME_USAGE)
            break;
        sleep_s(o->watch_s);
    }
    text_clear(&out);
    text_clear(&error);
    text_clear(&next);
    return outcome;
}

static int run_command(const struct command *command, const struct options *o, const char *argument)
{
    struct text page = {0}, out = {0}, error = {0};
    json_t *answer = NULL;
    enum outcome outcome;

    if (!make_page(command, o, argument, &page)) {
        text_append_printf(&error, "the command is: pathacct %s %s", command->name,
                           command->argument ? command->argument : "");
        return complain(OUTCOME_USAGE, &error);
    }
    if (o->is_watch) {
        outcome = watch(command, o, &page);
    } else {
        outcome = ask(command, o, text_cstr(&page), &out, &error, &answer);
        if (!print_text(&out) && outcome == OUTCOME_FINE)
            outcome = OUTCOME_FAULT;
    }
    json_decref(answer);
    text_clear(&page);
    text_clear(&out);
    return error.len > 0 ? complain(outcome, &error) : (int)outcome;
}

/* ---- the command line ---- */

enum { OPTION_TOKEN = 256, OPTION_CA, OPTION_PEER, OPTION_RD, OPTION_LIMIT };

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},
    {"url", required_argument, NULL, 'u'},
    {"token-file", required_argument, NULL, OPTION_TOKEN},
    {"ca-file", required_argument, NULL, OPTION_CA},
    {"json", no_argument, NULL, 'j'},
    {"watch", optional_argument, NULL, 'w'},
    {"peer", required_argument, NULL, OPTION_PEER},
    {"rd", required_argument, NULL, OPTION_RD},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

/* Takes an option; -1: go on; else the exit status. */
static int take_option(int option, struct options *o)
{
    char *end;

    switch (option) {
    case 's':
        o->place.socket = optarg;
        return -1;
    case 'u':
        o->place.url = optarg;
        return -1;
    case OPTION_CA:
        o->place.ca_file = optarg;
        return -1;
    case OPTION_TOKEN:
        o->place.token_file = optarg;
        return -1;
    case 'j':
        o->is_json = true;
        return -1;
    case 'w':
        o->is_watch = true;
        if (optarg) {
            o->watch_s = strtod(optarg, &end);
            if (*end || !(o->watch_s >= 0.1 && o->watch_s <= 86400)) {
                fprintf(stderr, "pathacct: --watch: seconds, from 0.1 on\n");
                return OUTCOME_USAGE;
            }
        }
        return -1;
    case OPTION_PEER:
        o->peer = optarg;
        return -1;
    case OPTION_RD:
        o->rd = optarg;
        return -1;
    case OPTION_LIMIT:
        o->limit = optarg;
        return -1;
    case 'h':
        print_help();
        return OUTCOME_FINE;
    case 'V':
        printf("pathacct %s\n", PATHACCT_VERSION);
        return OUTCOME_FINE;
    default:
        fprintf(stderr, "pathacct --help tells what there is\n");
        return OUTCOME_USAGE;
    }
}

int main(int argc, char **argv)
{
    struct options o = {.watch_s = 2};
    struct text error = {0};
    char *found = NULL;
    int option, status = -1;

    signal(SIGPIPE, SIG_IGN);
    while (status < 0 && (option = getopt_long(argc, argv, "s:u:jw::hV", long_options, NULL)) != -1)
        status = take_option(option, &o);
    if (status >= 0)
        return status;
    const char *name = optind < argc ? argv[optind] : "status";
    const struct command *command = command_find(name);
    if (!command) {
        text_append_printf(&error, "no command is called %s; pathacct --help lists them", name);
        return complain(OUTCOME_USAGE, &error);
    }
    if (argc - optind > 2) {
        text_append_printf(&error, "%s: one argument at most", name);
        return complain(OUTCOME_USAGE, &error);
    }
    if (!o.place.socket && !o.place.url) {
        enum outcome outcome = client_find(&error, &found);
        if (outcome != OUTCOME_FINE)
            return complain(outcome, &error);
        o.place.socket = found;
    }
    status = run_command(command, &o, optind + 1 < argc ? argv[optind + 1] : NULL);
    mem_free(found);
    return status;
}
