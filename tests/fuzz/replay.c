/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * usage: fuzz_NAME FILE|DIRECTORY...
 * Runs files, and the files of directories, through a fuzzer that was built
 * without libFuzzer. Ends with 0 when nothing was found.
 */
#include "fuzz_entry.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int count;

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data = NULL;
    size_t len = 0, n;

    if (!file) {
        perror(path);
        return 1;
    }
    do {
        data = realloc(data, len + 65536);
        if (!data) {
            abort();
        }
        n = fread(data + len, 1, 65536, file);
        len += n;
    } while (n);
    fclose(file);
    /* the last line of what went wrong is the file's name */
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, len);
    free(data);
    count++;
    return 0;
}

static int run(const char *path)
{
    struct stat info;
    struct dirent *entry;
    int status = 0;
    DIR *dir;

    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return run_file(path);
    }
    dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        char name[4096];

        if (entry->d_name[0] != '.') {
            snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
            status |= run_file(name);
        }
    }
    closedir(dir);
    return status;
}

int main(int argc, char **argv)
{
    int i, status = 0;

    LLVMFuzzerInitialize(&argc, &argv);
    for (i = 1; i < argc; i++) {
        status |= run(argv[i]);
    }
    fprintf(stderr, "%d inputs\n", count);
    return status || !count;
}
