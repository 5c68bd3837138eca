/* usage: golden [--backend NAME] [--quiet] DIR [FOLDER[/CASE]...]   exit status 1 where anything failed or nothing matched */
#include "golden.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

static const struct { const char *name; void (*run)(const golden_context *); } folders[] = {
    {"chat", golden_chat}, {"engine", golden_engine}, {"engine", golden_image}, {"jp-lmeh", golden_jp_lmeh}, {"merge", golden_merge},
    {"mergekit", golden_mergekit}, {"metrics", golden_metrics}, {"optim", golden_optim}, {"pictures", golden_pictures}, {"study", golden_study},
    {"tokenizer", golden_tokenizer},
};

static char **wanted;
static int n_wanted, total_passed, total_failed, total_unsupported, cases;

/* a is b, or a folder above b, or b is a folder above a */
static bool related(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), k = n < m ? n : m;
    return strncmp(a, b, k) == 0 && (n == m || (n < m ? b[k] : a[k]) == '/');
}

bool golden_wanted(const golden_context *c, const char *name)
{
    (void)c;
    for (int i = 0; i < n_wanted; i++)
        if (related(wanted[i], name))
            return true;
    return n_wanted == 0;
}

void golden_report(const golden_context *c, const char *name, int passed, int failed, int unsupported)
{
    (void)c;
    printf("%s: %d passed, %d failed, %d not supported\n", name, passed, failed, unsupported);
    fflush(stdout);
    total_passed += passed;
    total_failed += failed;
    total_unsupported += unsupported;
    cases++;
}

void golden_mismatch(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int main(int argc, char **argv)
{
    golden_context c = {0};
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--backend") == 0 && at + 1 < argc)
            c.backend = argv[++at];
        else if (strcmp(argv[at], "--quiet") == 0)
            c.quiet = true;
    }
    if (at >= argc) {
        fputs("usage: golden [--backend NAME] [--quiet] DIR [FOLDER[/CASE]...]\n", stderr);
        return 2;
    }
    if (!file_is_folder(argv[at])) {
        fprintf(stderr, "golden: %s: is not a folder\n", argv[at]);
        return 1;
    }
    c.root = argv[at];
    char *parent = file_join(c.root, "..");
    c.parent = parent;
    wanted = argv + at + 1;
    n_wanted = argc - at - 1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *folder = file_join(c.root, folders[i].name);
        if (file_is_folder(folder) && golden_wanted(&c, folders[i].name))
            folders[i].run(&c);
        free(folder);
    }
    free(parent);
    if (cases == 0) {
        fprintf(stderr, "golden: nothing in %s matched\n", c.root);
        return 1;
    }
    printf("total: %d passed, %d failed, %d not supported\n", total_passed, total_failed, total_unsupported);
    return total_failed ? 1 : 0;
}
