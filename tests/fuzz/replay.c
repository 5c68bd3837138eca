/* Runs a fuzz target over every file of a corpus folder: what once broke stays mended. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    int inputs = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (entry->d_name[0] == '.')
                continue;
            char *path = file_join(argv[i], entry->d_name);
            size_t n;
            error err;
            char *bytes = file_read(path, (size_t)64 << 20, &n, &err);
            if (!bytes) {
                fprintf(stderr, "%s\n", err.text);
                return 1;
            }
            LLVMFuzzerTestOneInput((const uint8_t *)bytes, n);
            free(bytes);
            free(path);
            inputs++;
        }
        closedir(folder);
    }
    printf("%d inputs\n", inputs);
    return inputs ? 0 : 1;
}
