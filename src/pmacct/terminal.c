/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes over the terminal and draws on it with escape sequences. See terminal.h. */
#include "pmacct/terminal.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/* Escape sequences of ECMA-48, and xterm's private modes for the alternate screen and the
 * cursor. */
#define ENTER       "\033[?1049h\033[?25l"
#define LEAVE       "\033[?25h\033[?1049l"
#define HOME        "\033[H"
#define CLEAR_LINE  "\033[K"
#define CLEAR_BELOW "\033[J"

enum { SEQUENCE_WAIT_MS = 50 }; /* bytes of one key come together */

struct terminal {
    struct termios before;
    sigset_t mask_before;
    int signal_fd;
};

/* Ignores errors: a terminal that is gone shows when the next key is asked for. */
static void terminal_put(const char *data, size_t len)
{
    (void)file_write_all(STDOUT_FILENO, data, len);
}

int terminal_open(struct terminal **ret_terminal)
{
    struct terminal *t;
    struct termios raw;
    sigset_t signals;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return -ENOTTY;
    t = mem_zalloc(sizeof *t);
    if (tcgetattr(STDIN_FILENO, &t->before) < 0) {
        int err = -errno;
        mem_free(t);
        return err;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGWINCH);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &t->mask_before);
    t->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    raw = t->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    terminal_put(ENTER, strlen(ENTER));
    *ret_terminal = t;
    return 0;
}

void terminal_close(struct terminal *t)
{
    if (!t)
        return;
    terminal_put(LEAVE, strlen(LEAVE));
    tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
    if (t->signal_fd >= 0)
        close(t->signal_fd);
    sigprocmask(SIG_SETMASK, &t->mask_before, NULL);
    mem_free(t);
}

void terminal_size(const struct terminal *t, size_t *ret_rows, size_t *ret_columns)
{
    struct winsize size = {0};

    (void)t;
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *ret_rows = size.ws_row ? size.ws_row : 24; /* a serial line does not tell */
    *ret_columns = size.ws_col ? size.ws_col : 80;
}

void terminal_draw(const struct terminal *t, const struct text *screen)
{
    struct text out = {0};
    size_t start = 0;

    (void)t;
    text_append_string(&out, HOME);
    for (size_t i = 0; i < screen->len; i++) {
        if (screen->data[i] != '\n')
            continue;
        text_append(&out, screen->data + start, i - start);
        text_append_string(&out, CLEAR_LINE);
        if (i + 1 < screen->len) /* a line end at the bottom would scroll */
            text_append_string(&out, "\r\n");
        start = i + 1;
    }
    text_append_string(&out, CLEAR_BELOW);
    terminal_put(out.data, out.len);
    text_clear(&out);
}

/* Reads what follows ESC, if a key sent it: a sequence of ECMA-48 (CSI) or of a function key (SS3). */
static void skip_sequence(void)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    char kind = 0, c = 0;

    if (poll(&fd, 1, SEQUENCE_WAIT_MS) <= 0 || read(STDIN_FILENO, &kind, 1) != 1)
        return; /* the key Escape */
    if (kind != '[' && kind != 'O')
        return; /* Alt and a key */
    do
        if (poll(&fd, 1, SEQUENCE_WAIT_MS) <= 0 || read(STDIN_FILENO, &c, 1) != 1)
            return;
    while (c < '@' || (kind == '[' && c == '[')); /* the Linux console has ESC [ [ A */
}

enum terminal_event terminal_wait(struct terminal *t, int timeout_ms, char *ret_key)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = t->signal_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    int ready;

    do
        ready = poll(fds, 2, timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return ready == 0 ? TERMINAL_TIMEOUT : TERMINAL_GONE;
    if (fds[1].revents && read(t->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        return info.ssi_signo == SIGWINCH ? TERMINAL_RESIZED : TERMINAL_GONE;
    if (read(STDIN_FILENO, ret_key, 1) != 1)
        return TERMINAL_GONE;
    if (*ret_key == '\033')
        skip_sequence();
    return TERMINAL_KEY;
}
