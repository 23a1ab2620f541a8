/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target over the files of its kept corpus, for compilers without libFuzzer. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target whose inputs have a version, or fields that changes of the project move, has it, and sets it
 * when an input was read to its end. If none is, the kept corpus is of an earlier format. */
extern bool fuzz_read_one __attribute__((weak));

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    /* The allocation has the exact size, so that AddressSanitizer sees a read beyond its end. */
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, file) != size) {
        fclose(file);
        free(data);
        return -1;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (replay_file(path) < 0) {
                perror(path);
                closedir(dir);
                return 1;
            }
            count++;
        }
        closedir(dir);
    }
    printf("%zu inputs replayed\n", count);
    if (&fuzz_read_one && !fuzz_read_one) {
        fprintf(stderr, "none of them can be read: make them anew, as the format has changed\n");
        return 1;
    }
    return count > 0 ? 0 : 1;
}
