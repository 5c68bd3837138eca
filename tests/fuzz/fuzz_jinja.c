/* A template from a stranger, in both settings: the input is the template, optionally followed by a line "%%" and the variables as JSON. Whatever
 * parses is rendered; it ends within its limits, with UTF-8 or with one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char usual[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"\\u3042 'x'\"}, {\"role\": \"assistant\", \"content\": null,"
    " \"tool_calls\": [{\"id\": \"a\", \"function\": {\"name\": \"f\", \"arguments\": {\"n\": 1.5, \"t\": true}}}]}], \"tools\": null, \"bos_token\": \"<s>\","
    " \"eos_token\": \"</s>\", \"add_generation_prompt\": true, \"n\": 3, \"rows\": [{\"k\": \"x\", \"v\": 1}, {\"k\": \"y\", \"v\": 2}], \"empty\": []}";

static void refused(const error *err)
{
    if (err->code == ERROR_NONE || !err->text[0] || strchr(err->text, '\n'))
        abort();
}

static void run(const char *text, size_t n, enum jinja_setting setting, const json_t *variables)
{
    error err = {0};
    jinja *t = jinja_parse("input.jinja", text, n, setting, &err);
    if (!t) {
        refused(&err);
        return;
    }
    static const struct tm then = {.tm_year = 124, .tm_mon = 6, .tm_mday = 26};
    jinja_set_clock(t, &then);
    size_t length;
    char *made = jinja_render(t, variables, &length, &err);
    if (!made)
        refused(&err);
    else if (!utf8_valid(made, length))
        abort();
    free(made);
    jinja_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *mark = memmem(text, size, "\n%%\n", 4);
    size_t n = mark ? (size_t)(mark - text) : size;
    json_t *variables = mark ? json_loadb(mark + 4, size - n - 4, JSON_ALLOW_NUL, NULL) : json_loads(usual, 0, NULL);
    run(text, n, JINJA_CHAT, variables);
    run(text, n, JINJA_PROMPT, variables);
    json_decref(variables);
    return 0;
}
