/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* print_latest_file: a symbolic link to the file whose name sorts last of those that are
 * finished. */
struct file_owner;
struct pa_host;

/* Points `link` at `target` unless it points at a later name already; replaced in one step. Logs
 * what fails. */
void latest_link_update(const struct pa_host *host, const struct file_owner *owner,
                        const char *link, const char *target);
