/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what becomes of each kind of failure of a MariaDB server: whether rows wait, are tried again, or one is left out. */
#include "plugins/mysql/my_fault.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void each_number_has_its_fault(void **state)
{
    static const struct {
        unsigned number;
        const char *sqlstate;
        enum my_fault_id id;
        int err;
    } cases[] = {
        {2002, "HY000", MY_FAULT_SERVER_AWAY, -EAGAIN},
        {2006, "HY000", MY_FAULT_SERVER_AWAY, -EAGAIN},
        {2013, "HY000", MY_FAULT_SERVER_AWAY, -EAGAIN},
        {2026, "HY000", MY_FAULT_LOGIN_REFUSED, -EINVAL},
        {1045, "28000", MY_FAULT_LOGIN_REFUSED, -EINVAL},
        {1049, "42000", MY_FAULT_DATABASE_MISSING, -EINVAL},
        {1146, "42S02", MY_FAULT_TABLE_MISSING, -EINVAL},
        {1054, "42S22", MY_FAULT_COLUMN_MISSING, -EINVAL},
        {1364, "HY000", MY_FAULT_TABLE_UNFIT, -EINVAL},
        {1142, "42000", MY_FAULT_RIGHT_MISSING, -EINVAL},
        {1526, "HY000", MY_FAULT_PARTITION_MISSING, -EINVAL},
        {1205, "HY000", MY_FAULT_LOCKED, -EAGAIN},
        {1213, "40001", MY_FAULT_BUSY, -EAGAIN},
        {1040, "08004", MY_FAULT_BUSY, -EAGAIN},
        {1114, "HY000", MY_FAULT_DISK_FULL, -EAGAIN},
        {1290, "HY000", MY_FAULT_STANDBY, -EINVAL},
        {1064, "42000", MY_FAULT_MISUSED, -EINVAL},
        {1264, "22003", MY_FAULT_ROW_REFUSED, -EILSEQ},
        {1406, "22001", MY_FAULT_ROW_REFUSED, -EILSEQ},
        {1366, "22007", MY_FAULT_ROW_REFUSED, -EILSEQ},
        {1062, "23000", MY_FAULT_ROW_REFUSED, -EILSEQ},
        {4025, "23000", MY_FAULT_ROW_REFUSED, -EILSEQ},
        {1644, "45000", MY_FAULT_ROW_REFUSED, -EILSEQ}, /* SIGNAL in a trigger */
        {9999, "HY000", MY_FAULT_BUSY, -EAGAIN},        /* nobody knows it: no row is thrown away */
    };
    struct sql_fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        my_fault_set(&fault, cases[i].number, cases[i].sqlstate, "words\n of   the server ");
        assert_int_equal(fault.id, cases[i].id);
        assert_int_equal(sql_fault_errno(&fault), cases[i].err);
        assert_int_equal(fault.number, cases[i].number);
        assert_memory_equal(fault.text, "words of the server [", strlen("words of the server ["));
        assert_null(strchr(fault.text, '\n'));
    }
}

static void a_remedy_stands_behind_the_words(void **state)
{
    struct sql_fault fault;

    (void)state;
    my_fault_set(&fault, 1045, "28000", "Access denied");
    assert_string_equal(fault.text, "Access denied [1045]; check sql_user, sql_passwd, "
                                    "sql_conn_ca_file and the server's accounts");
    my_fault_set_own(&fault, MY_FAULT_SERVER_AWAY, "it does not answer");
    assert_string_equal(fault.text, "it does not answer");
    my_fault_change(&fault, MY_FAULT_BUSY);
    assert_string_equal(fault.counter, "fault_busy");
    assert_string_equal(fault.text, "it does not answer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_has_its_fault),
        cmocka_unit_test(a_remedy_stands_behind_the_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
