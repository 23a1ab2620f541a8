/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The key print_latest_file: a symbolic link to the finished file whose name sorts last. */
struct file_owner;
struct pa_host;

/* Points `link` at `target`, in one step, unless it points at a later name already. Failures are
 * logged. */
void latest_link_update(const struct pa_host *host, const struct file_owner *owner,
                        const char *link, const char *target);
