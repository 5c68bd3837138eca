/* What the tests of templates share. */
#ifndef TESTS_UNIT_TEXT_CHECK_JINJA_H
#define TESTS_UNIT_TEXT_CHECK_JINJA_H

#include "check.h"

#include "text/jinja.h"

/* The text, or NULL with the error. free() it. */
static inline char *render(const char *text, size_t n, enum jinja_setting setting, const char *variables, error *err)
{
    json_t *given = variables ? json_loads(variables, 0, NULL) : NULL;
    jinja *t = jinja_parse("t.jinja", text, n, setting, err);
    char *made = t ? jinja_render(t, given, NULL, err) : NULL;
    jinja_free(t);
    json_decref(given);
    return made;
}

static inline void assert_renders(const char *text, enum jinja_setting setting, const char *variables, const char *wanted)
{
    error err = {0};
    char *made = render(text, strlen(text), setting, variables, &err);
    if (!made)
        fail_msg("%s", err.text);
    if (strcmp(made, wanted) != 0)
        fail_msg("'%s' gives '%s', wanted '%s'", text, made, wanted);
    free(made);
}

#define assert_refuses(text, n, setting, code, ...)                              \
    do {                                                                         \
        error refusal_;                                                          \
        char *made_ = render(text, n, setting, NULL, &refusal_);                 \
        if (made_)                                                               \
            fail_msg("accepted: %.200s", text);                                  \
        assert_error(&refusal_, code, __VA_ARGS__);                              \
    } while (0)

#endif
