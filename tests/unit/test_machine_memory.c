/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the tightest limit of the control groups counts, in both versions of them. The lines
 * are those of cgroups(7). */
#include "base/machine_memory.h"
#include "support/folder.h"
#include <string.h>

#define MACHINE UINT64_C(8000000000)

/* Writes a file, with the folders that it is in. */
static void file_write(const struct test_folder *folder, const char *name, const char *text)
{
    char command[512], path[256];

    snprintf(path, sizeof path, "%s%s", folder->path, name);
    snprintf(command, sizeof command, "mkdir -p $(dirname %s)", path);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void without_groups_it_is_the_machines(void **state)
{
    (void)state;
    struct test_folder folder;

    test_folder_make(&folder);
    assert_int_equal(machine_memory_at(folder.path, MACHINE), MACHINE);
    file_write(&folder, "/proc/self/cgroup", "0::/user.slice\n");
    file_write(&folder, "/sys/fs/cgroup/user.slice/memory.max", "max\n");
    assert_int_equal(machine_memory_at(folder.path, MACHINE), MACHINE);
    file_write(&folder, "/sys/fs/cgroup/user.slice/memory.max",
               "9000000000\n"); /* more than it has */
    assert_int_equal(machine_memory_at(folder.path, MACHINE), MACHINE);
    test_folder_remove(&folder);
    assert_true(machine_memory() > 0);
}

static void the_tightest_group_of_the_way_up_counts(void **state)
{
    (void)state;
    struct test_folder folder;

    test_folder_make(&folder);
    file_write(&folder, "/proc/self/cgroup", "0::/system.slice/nfacctd.service\n");
    file_write(&folder, "/sys/fs/cgroup/system.slice/nfacctd.service/memory.max", "4000000000\n");
    assert_int_equal(machine_memory_at(folder.path, MACHINE), UINT64_C(4000000000));
    file_write(&folder, "/sys/fs/cgroup/system.slice/memory.max", "3000000000\n");
    assert_int_equal(machine_memory_at(folder.path, MACHINE), UINT64_C(3000000000));
    /* In a container the groups above are not to be seen, and its own is the root. */
    file_write(&folder, "/proc/self/cgroup", "0::/\n");
    file_write(&folder, "/sys/fs/cgroup/memory.max", "1000000000\n");
    assert_int_equal(machine_memory_at(folder.path, MACHINE), UINT64_C(1000000000));
    test_folder_remove(&folder);
}

static void the_first_version_has_a_hierarchy_for_memory(void **state)
{
    (void)state;
    struct test_folder folder;

    test_folder_make(&folder);
    file_write(&folder, "/proc/self/cgroup",
               "12:cpu,cpuacct:/a\n3:memory:/docker/1234\nnonsense\n1:name=systemd:/x\n");
    file_write(&folder, "/sys/fs/cgroup/memory/docker/1234/memory.limit_in_bytes", "500000000\n");
    assert_int_equal(machine_memory_at(folder.path, MACHINE), 500000000);
    test_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_groups_it_is_the_machines),
        cmocka_unit_test(the_tightest_group_of_the_way_up_counts),
        cmocka_unit_test(the_first_version_has_a_hierarchy_for_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
