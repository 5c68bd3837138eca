#include <stdio.h>

#include "cmd/options.h"
#include "study/report.h"
#include "study/run.h"

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    const char *out = "report.html";
    const option options[] = {{"out", 'o', OPTION_TEXT, &out, "FILE", "the page (default report.html)"}};
    const char *words[1];
    int stop = options_parse(self, options, 1, argc, argv, words, 1, 1, &common);
    if (stop)
        return stop - 1;
    error err = {0};
    store *s = store_open(words[0], true, &err);
    int status = s ? report_html(s, out, &err) : -1;
    store_close(s);
    if (status == 0)
        status = study_print_table(words[0], common.json, &err);
    if (status == 0 && !common.json)
        printf("report: %s\n", out);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_report = {
    "report", "STUDY.db", "Print a study's table and write it, with its course and its answers, as one HTML page.",
    "  merganser report miniature/out/study.db -o report.html\n", run,
};
