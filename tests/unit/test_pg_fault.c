/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which fault each SQLSTATE of a server is, and who then waits for what: the next attempt, a
 * person, or nobody. Classes and codes are those of PostgreSQL's manual, appendix A. */
#include "plugins/pgsql/pg_fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_the_server_says_decides_who_waits_for_what(void **state)
{
    static const struct {
        const char *sqlstate;
        enum pg_fault_id id;
        enum sql_fault_kind kind;
    } cases[] = {
        {NULL, PG_FAULT_SERVER_AWAY, SQL_FAULT_RETRY},
        {"57P01", PG_FAULT_SERVER_AWAY, SQL_FAULT_RETRY}, /* admin_shutdown */
        {"57P03", PG_FAULT_SERVER_AWAY, SQL_FAULT_RETRY}, /* cannot_connect_now */
        {"57014", PG_FAULT_BUSY, SQL_FAULT_RETRY},        /* query_canceled */
        {"40P01", PG_FAULT_BUSY, SQL_FAULT_RETRY},        /* deadlock_detected */
        {"53300", PG_FAULT_BUSY, SQL_FAULT_RETRY},        /* too_many_connections */
        {"53100", PG_FAULT_DISK_FULL, SQL_FAULT_RETRY},
        {"55P03", PG_FAULT_LOCKED, SQL_FAULT_RETRY},
        {"XX000", PG_FAULT_BUSY, SQL_FAULT_RETRY}, /* internal_error */
        {"28P01", PG_FAULT_LOGIN_REFUSED, SQL_FAULT_SETUP},
        {"28000", PG_FAULT_LOGIN_REFUSED, SQL_FAULT_SETUP},
        {"3D000", PG_FAULT_DATABASE_MISSING, SQL_FAULT_SETUP},
        {"42P01", PG_FAULT_TABLE_MISSING, SQL_FAULT_SETUP},
        {"42703", PG_FAULT_COLUMN_MISSING, SQL_FAULT_SETUP},
        {"42501", PG_FAULT_RIGHT_MISSING, SQL_FAULT_SETUP},
        {"42601", PG_FAULT_MISUSED, SQL_FAULT_SETUP},   /* syntax_error */
        {"25006", PG_FAULT_STANDBY, SQL_FAULT_SETUP},   /* read_only_sql_transaction */
        {"22003", PG_FAULT_ROW_REFUSED, SQL_FAULT_ROW}, /* numeric_value_out_of_range */
        {"23505", PG_FAULT_ROW_REFUSED, SQL_FAULT_ROW}, /* unique_violation */
        {"54000", PG_FAULT_ROW_REFUSED, SQL_FAULT_ROW}, /* program_limit_exceeded */
        {"54011", PG_FAULT_BUSY, SQL_FAULT_RETRY},      /* too_many_columns */
    };
    struct sql_fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pg_fault_set(&fault, cases[i].sqlstate, "m", NULL, NULL);
        assert_int_equal(fault.id, cases[i].id);
        assert_int_equal(fault.kind, cases[i].kind);
    }
}

static void row_without_partition_differs_from_broken_check(void **state)
{
    struct sql_fault fault;

    (void)state;
    pg_fault_set(&fault, "23514", "no partition of relation", NULL, NULL);
    assert_int_equal(fault.id, PG_FAULT_PARTITION_MISSING);
    pg_fault_set(&fault, "23514", "violates check", NULL, "acct_bytes_check");
    assert_int_equal(fault.id, PG_FAULT_ROW_REFUSED);
}

static void text_is_one_line_with_state_and_remedy(void **state)
{
    struct sql_fault fault;
    char words[4000];

    (void)state;
    pg_fault_set(&fault, "3D000", "database \"x\"\n\tdoes  not exist\n", "a detail", NULL);
    assert_string_equal(fault.text,
                        "database \"x\" does not exist (a detail) [3D000]; check sql_db, "
                        "or create the database");
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = 0;
    pg_fault_set(&fault, "53100", words, words, NULL);
    assert_true(strlen(fault.text) < sizeof fault.text);
    assert_non_null(strstr(fault.text, "[53100]; make room"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_server_says_decides_who_waits_for_what),
        cmocka_unit_test(row_without_partition_differs_from_broken_check),
        cmocka_unit_test(text_is_one_line_with_state_and_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
