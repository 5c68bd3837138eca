/* merganser: evolutionary model merging. The table of verbs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"
#include "base/yaml.h"
#include "cmd/options.h"
#include "compute/backend.h"

const command *const command_table[] = {
    &command_evolve, &command_merge, &command_eval, &command_generate, &command_inspect, &command_report, &command_export, &command_help, NULL,
};

const command *command_find(const char *name)
{
    for (const command *const *c = command_table; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static void print_version(void)
{
    printf("merganser %s\nkernel families:", MERGANSER_VERSION);
    for (const backend *const *b = backend_all(); *b; b++)
        printf(" %s%s", (*b)->name, (*b)->available() ? "" : " (not on this CPU)");
#ifdef MERGANSER_MECAB
    printf("\nstore: SQLite\nwords: MeCab\nabsent: CUDA, PostgreSQL\n");
#else
    printf("\nstore: SQLite\nabsent: CUDA, PostgreSQL, MeCab\n");
#endif
}

static int fail_unknown(const char *word)
{
    const char *names[sizeof command_table / sizeof *command_table] = {0};
    for (size_t i = 0; command_table[i]; i++)
        names[i] = command_table[i]->name;
    const char *near = text_nearest(word, names);
    fprintf(stderr, "merganser: unknown verb '%s'%s%s%s (see merganser --help)\n", word, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return 2;
}

int main(int argc, char **argv)
{
    progress_catch_interrupts();
    signal(SIGXFSZ, SIG_IGN);   /* a file-size limit is an error of write, not a death */
    if (argc < 2) {
        help_print(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_print(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return 0;
    }
    const command *verb = command_find(argv[1]);
    return verb ? verb->run(verb, argc - 2, argv + 2) : fail_unknown(argv[1]);
}
