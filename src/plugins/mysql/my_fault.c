/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes faults of error numbers; faults.def says what follows from them. See my_fault.h. */
#include "plugins/mysql/my_fault.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <string.h>

const struct sql_fault_row my_faults[] = {
#define FAULT(id, counter, kind, remedy, ...) {counter, SQL_FAULT_##kind, remedy},
#include "plugins/mysql/faults.def"
#undef FAULT
};

/* Numbers that the library's headers do not name (MariaDB manual, "MariaDB Error Codes"; MySQL 8.0
 * Error Message Reference). */
enum {
    AUTH_SWITCH_FAILED = 1251,
    ACCOUNT_LOCKED = 3118,
    ACCOUNT_LOCKED_MARIADB = 4151,
    CONSTRAINT_FAILED = 3819,
    CONSTRAINT_FAILED_MARIADB = 4025
};

/* Faults by number. */
static const struct {
    unsigned number;
    enum my_fault_id id;
} numbers[] = {
    {CR_SSL_CONNECTION_ERROR, MY_FAULT_LOGIN_REFUSED},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, MY_FAULT_LOGIN_REFUSED},
    {CR_AUTH_PLUGIN_ERR, MY_FAULT_LOGIN_REFUSED},
    {ER_ACCESS_DENIED_ERROR, MY_FAULT_LOGIN_REFUSED},
    {ER_ACCESS_DENIED_NO_PASSWORD_ERROR, MY_FAULT_LOGIN_REFUSED},
    {ER_HOST_NOT_PRIVILEGED, MY_FAULT_LOGIN_REFUSED},
    {ER_HOST_IS_BLOCKED, MY_FAULT_LOGIN_REFUSED},
    {AUTH_SWITCH_FAILED, MY_FAULT_LOGIN_REFUSED},
    {ER_MUST_CHANGE_PASSWORD, MY_FAULT_LOGIN_REFUSED},
    {ER_MUST_CHANGE_PASSWORD_LOGIN, MY_FAULT_LOGIN_REFUSED},
    {ACCOUNT_LOCKED, MY_FAULT_LOGIN_REFUSED},
    {ACCOUNT_LOCKED_MARIADB, MY_FAULT_LOGIN_REFUSED},
    {ER_BAD_DB_ERROR, MY_FAULT_DATABASE_MISSING},
    {ER_NO_DB_ERROR, MY_FAULT_DATABASE_MISSING},
    {ER_NO_SUCH_TABLE, MY_FAULT_TABLE_MISSING},
    {ER_BAD_FIELD_ERROR, MY_FAULT_COLUMN_MISSING},
    {ER_NO_DEFAULT_FOR_FIELD, MY_FAULT_TABLE_UNFIT},
    {ER_DBACCESS_DENIED_ERROR, MY_FAULT_RIGHT_MISSING},
    {ER_TABLEACCESS_DENIED_ERROR, MY_FAULT_RIGHT_MISSING},
    {ER_COLUMNACCESS_DENIED_ERROR, MY_FAULT_RIGHT_MISSING},
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, MY_FAULT_RIGHT_MISSING},
    {ER_NO_PARTITION_FOR_GIVEN_VALUE, MY_FAULT_PARTITION_MISSING},
    {ER_CON_COUNT_ERROR, MY_FAULT_BUSY}, /* its SQLSTATE is one of lost connections */
    {ER_LOCK_WAIT_TIMEOUT, MY_FAULT_LOCKED},
    {ER_DISK_FULL, MY_FAULT_DISK_FULL},
    {ER_RECORD_FILE_FULL, MY_FAULT_DISK_FULL},
    {ER_ERROR_ON_WRITE, MY_FAULT_DISK_FULL},
    {ER_OPTION_PREVENTS_STATEMENT, MY_FAULT_STANDBY},
    {ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, MY_FAULT_STANDBY},
    {ER_READ_ONLY_MODE, MY_FAULT_STANDBY},
    {ER_SERVER_SHUTDOWN, MY_FAULT_SERVER_AWAY},
    {ER_NEW_ABORTING_CONNECTION, MY_FAULT_SERVER_AWAY},
    {ER_CONNECTION_KILLED, MY_FAULT_SERVER_AWAY},
    {ER_PARSE_ERROR, MY_FAULT_MISUSED},
    {ER_SYNTAX_ERROR, MY_FAULT_MISUSED},
    {ER_BINLOG_STMT_MODE_AND_ROW_ENGINE, MY_FAULT_MISUSED},
    {ER_NON_INSERTABLE_TABLE, MY_FAULT_MISUSED},
    {ER_WARNING_NON_DEFAULT_VALUE_FOR_GENERATED_COLUMN, MY_FAULT_MISUSED},
    {ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, MY_FAULT_ROW_REFUSED},
    {WARN_DATA_TRUNCATED, MY_FAULT_ROW_REFUSED},
    {ER_TRUNCATED_WRONG_VALUE, MY_FAULT_ROW_REFUSED},
    {ER_DATA_OUT_OF_RANGE, MY_FAULT_ROW_REFUSED},
    {ER_WARN_ALLOWED_PACKET_OVERFLOWED, MY_FAULT_ROW_REFUSED},
    {ER_VIEW_CHECK_FAILED, MY_FAULT_ROW_REFUSED},
    {ER_ROW_DOES_NOT_MATCH_GIVEN_PARTITION_SET, MY_FAULT_ROW_REFUSED},
    {CONSTRAINT_FAILED, MY_FAULT_ROW_REFUSED},
    {CONSTRAINT_FAILED_MARIADB, MY_FAULT_ROW_REFUSED},
};

/* Faults by class of SQLSTATE, for numbers that are not listed. What is in neither list is tried
 * again, since no row may be thrown away for a failure that nobody has understood. */
static const struct {
    const char *sqlstate;
    enum my_fault_id id;
} classes[] = {
    {"08", MY_FAULT_SERVER_AWAY},   {"22", MY_FAULT_ROW_REFUSED}, {"23", MY_FAULT_ROW_REFUSED},
    {"28", MY_FAULT_LOGIN_REFUSED}, {"45", MY_FAULT_ROW_REFUSED}, /* SIGNAL in a trigger */
};

static enum my_fault_id find_fault(unsigned number, const char *sqlstate)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].number == number)
            return numbers[i].id;
    if (number >= CR_MIN_ERROR && number < 3000) /* the library's own numbers are 2000 to 2999 */
        return MY_FAULT_SERVER_AWAY;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(sqlstate, classes[i].sqlstate, 2) == 0)
            return classes[i].id;
    return MY_FAULT_BUSY;
}

void my_fault_change(struct sql_fault *fault, enum my_fault_id id)
{
    sql_fault_change(fault, &my_faults[id], (int)id);
}

void my_fault_set_own(struct sql_fault *fault, enum my_fault_id id, const char *text)
{
    sql_fault_set(fault, &my_faults[id], (int)id, text);
}

void my_fault_set(struct sql_fault *fault, unsigned number, const char *sqlstate,
                  const char *message)
{
    enum my_fault_id id = find_fault(number, sqlstate);
    char words[sizeof fault->text];

    snprintf(words, sizeof words, "%.700s [%u]", *message ? message : "no reason given", number);
    sql_fault_set(fault, &my_faults[id], (int)id, words);
    snprintf(fault->sqlstate, sizeof fault->sqlstate, "%s", sqlstate);
    fault->number = number;
}
