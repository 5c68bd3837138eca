/* merganser: evolutionary model merging. The table of verbs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"
#include "base/yaml.h"
#include "cmd/options.h"
#include "compute/backend.h"

static const command *const commands[] = {
    &command_evolve, &command_merge, &command_eval, &command_generate, &command_inspect, &command_report, &command_export,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *out)
{
    fputs("merganser: find, by evolution, a merge of language models that does what none of its sources does\n\nusage: merganser VERB ...\n\n", out);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nmerganser VERB --help tells more, with an example. merganser --version names what it was built with.\n", out);
}

static void print_version(void)
{
    printf("merganser %s\nkernel families:", MERGANSER_VERSION);
    for (const backend *const *b = backend_all(); *b; b++)
        printf(" %s%s", (*b)->name, (*b)->available() ? "" : " (not on this CPU)");
    printf("\nstore: SQLite\nabsent: CUDA, PostgreSQL, MeCab\n");
}

int main(int argc, char **argv)
{
    progress_catch_interrupts();
    signal(SIGXFSZ, SIG_IGN);   /* a file-size limit is an error of write, not a death */
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return 0;
    }
    const char *names[N_COMMANDS + 1] = {0};
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(commands[i], argc - 2, argv + 2);
        names[i] = commands[i]->name;
    }
    const char *near = text_nearest(argv[1], names);
    fprintf(stderr, "merganser: unknown verb '%s'%s%s%s (see merganser --help)\n", argv[1], near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return 2;
}
