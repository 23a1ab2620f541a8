/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frees the settings of messages. See message_settings.h. */
#include "plugins/message/message_settings.h"
#include "plugins/common/row_filter.h"
#include "plugins/text/file_name.h"

void message_settings_clear(struct message_settings *settings)
{
    file_name_free(settings->destination);
    file_name_free(settings->key);
    row_filter_free(settings->filter);
    settings->destination = settings->key = NULL;
    settings->filter = NULL;
}
