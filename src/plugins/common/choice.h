/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Keys that choose among words. The list of a key's words is a macro that applies another one to
 * each (enumerator, word); the enumerators and the text in the table of keys are made from it, so
 * the number that the host gives for the choice is the enumerator, in whatever order the list is:
 *
 *     #define SQL_LOCKINGS(EACH) EACH(SQL_LOCK_TABLE, "table") EACH(SQL_LOCK_ROW, "row")
 *     enum sql_locking { SQL_LOCKINGS(CHOICE_ENUMERATOR) };
 *     {.name = "sql_locking_style", .type = PA_KEY_CHOICE, .choices = CHOICE_TEXT(SQL_LOCKINGS)},
 */
#include "plugins/common/setting.h"

#define CHOICE_ENUMERATOR(enumerator, word) enumerator,
#define CHOICE_WORD(enumerator, word)       "|" word
#define CHOICE_TEXT(list)                   (&(list(CHOICE_WORD))[1]) /* "table|row" */

/* Returns the enumerator; `otherwise` if the key has neither value nor default. */
static inline int setting_choice(const struct pa_host *host, const char *key, int otherwise)
{
    return setting_text(host, key) ? (int)host->setting_number(host, key) : otherwise;
}
