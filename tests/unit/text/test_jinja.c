/* What templates give. Python's values in detail are compared in tests/golden: chat/expressions.jsonl. */
#include "check_jinja.h"

static const char rows[] = "{\"rows\": [{\"k\": \"x\", \"v\": 1}, {\"k\": \"y\", \"v\": 2}], \"n\": 3, \"none\": null}";

static void statements(void **state)
{
    (void)state;
    static const struct { const char *text, *wanted; } cases[] = {
        {"", ""},
        {"{% for r in rows %}{{ loop.index }}{{ r.k }}{% if not loop.last %}, {% endif %}{% endfor %}", "1x, 2y"},
        {"{% for r in [] %}x{% else %}none{% endfor %}", "none"},
        {"{% for a, b in [[1, 2], [3, 4]] if a > 1 %}{{ a }}{{ b }}{% endfor %}", "34"},
        {"{% for a in [1, [2, [3]]] recursive %}{% if a is iterable %}{{ loop(a) }}{% else %}{{ a }}/{{ loop.depth }} {% endif %}{% endfor %}", "1/1 2/2 3/3 "},
        {"{% if n > 5 %}a{% elif n == 3 %}b{% else %}c{% endif %}", "b"},
        {"{% set x = 1 %}{% for i in [5] %}{% set x = i %}{% endfor %}{{ x }}{% if n %}{% set x = 2 %}{% endif %}{{ x }}", "12"},
        {"{% set ns = namespace(s=0) %}{% for r in rows %}{% set ns.s = ns.s + r.v %}{% endfor %}{{ ns.s }}", "3"},
        {"{% set t | upper %}a{{ n }}{% endset %}{{ t }}", "A3"},
        {"{% with a = 1, b = n %}{{ a + b }}{% endwith %}{{ a is defined }}", "4False"},
        {"{% macro q(a, b=a ~ '!') %}[{{ a }}{{ b }}{{ varargs }}]{% endmacro %}{{ q(1) }}{{ q(1, b=2) }}{{ q(1, 2, 3) }}", "[11!()][12()][12(3,)]"},
        {"{% macro f() %}<{{ caller(2) }}>{% endmacro %}{% call(x) f() %}{{ x * n }}{% endcall %}", "<6>"},
        {"{% filter upper | replace('A', 'b') %}a{{ n }}{% endfilter %}", "b3"},
        {"{% raw %}{{ n }}{% endraw %}{# no #}", "{{ n }}"},
        {"{% print n, 1 %}", "31"},
        {"{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "3210"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_renders(cases[i].text, JINJA_CHAT, rows, cases[i].wanted);
        assert_renders(cases[i].text, JINJA_PROMPT, rows, cases[i].wanted);
    }
}

static void settings_differ(void **state)
{
    (void)state;
    static const struct { const char *text, *chat, *prompt; } cases[] = {
        {"x\n", "x", "x\n"},
        {"x\r\n\r\n", "x\n", "x\n\n"},
        {"{% if n %}\na\n  {% endif %}\nb", "a\nb", "\na\n  \nb"},
        {"{% if n +%}\na{%- endif %}\n", "\na", "\na\n"},
        {"  {%+ if n %}a{% endif %}", "  a", "  a"},
        {"a {#- c -#} b", "ab", "ab"},
        {"[{{ missing }}]", "[]", NULL},
        {"{{ missing is defined }}{{ missing | default('d') }}", "Falsed", "Falsed"},
        {"{{ 'a' if false }}|", "|", "|"},
        {"{{ {'b': '<\xe8\xaa\x9e>', 'a': 1.0} | tojson }}", "{\"b\": \"<\xe8\xaa\x9e>\", \"a\": 1.0}", "{\"a\": 1.0, \"b\": \"\\u003c\\u8a9e\\u003e\"}"},
        {"{% for i in [1, 2, 3] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "13", NULL},
        {"{% generation %}a{% endgeneration %}", "a", NULL},
        {"{{ 'a1' | regex_replace('[0-9]', '#') }}", NULL, "a#"},
        {"{{ strftime_now is defined }}", "True", "False"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 2; k++) {
            const char *wanted = k ? cases[i].prompt : cases[i].chat;
            if (wanted)
                assert_renders(cases[i].text, k ? JINJA_PROMPT : JINJA_CHAT, rows, wanted);
            else
                assert_refuses(cases[i].text, strlen(cases[i].text), k ? JINJA_PROMPT : JINJA_CHAT, k && !strstr(cases[i].text, "regex") ? ERROR_FORMAT : ERROR_UNSUPPORTED,
                               "t.jinja:1:");
        }
}

/* An error tells the construct, the line and the column. */
static void errors_tell_where(void **state)
{
    (void)state;
    static const struct { const char *text, *where, *what; enum error_code code; } cases[] = {
        {"a\n  {% nosuch %}", "t.jinja:2:6:", "'nosuch'", ERROR_FORMAT},
        {"{% if 1 %}\n{% endfor %}", "t.jinja:2:4:", "expected 'elif', 'else' or 'endif'", ERROR_FORMAT},
        {"{% if 1 %}", "t.jinja:1:11:", "template ends", ERROR_FORMAT},
        {"{{ \xe3\x81\x82\xe3\x81\x84 | nosuch }}", "t.jinja:1:9:", "'nosuch'", ERROR_UNSUPPORTED},
        {"\n\n{{ 1 is nosuch }}", "t.jinja:3:6:", "'nosuch'", ERROR_UNSUPPORTED},
        {"{{ 'x'.encode('utf-8') }}", "t.jinja:1:7:", "'encode'", ERROR_UNSUPPORTED},
        {"{{ 1 + }}", "t.jinja:1:8:", "'}}'", ERROR_FORMAT},
        {"{{ (1 }}", "t.jinja:1:7:", "unexpected '}'", ERROR_FORMAT},
        {"{{ 'x }}", "t.jinja:1:4:", "does not end", ERROR_FORMAT},
        {"{{ 1/0 }}", "t.jinja:1:5:", "division by zero", ERROR_FORMAT},
        {"{{ 'a' + 1 }}", "t.jinja:1:8:", "can only concatenate str (not \"int\") to str", ERROR_FORMAT},
        {"{{ missing.x }}", "t.jinja:1:11:", "'missing' is undefined", ERROR_FORMAT},
        {"{{ raise_exception('no such role') }}", "t.jinja:1:19:", "no such role", ERROR_FORMAT},
        {"{% include 'x' %}", "t.jinja:1:4:", "'include'", ERROR_FORMAT},
        {"{{ cycler(1) }}", "t.jinja:1:10:", "cycler", ERROR_UNSUPPORTED},
        {"{% break %}", "t.jinja:1:4:", "outside of a loop", ERROR_FORMAT},
        {"{{ '\\ud800' }}", "t.jinja:1:4:", "escape", ERROR_FORMAT},
        {"{% set 1 = 2 %}", "t.jinja:1:8:", "assigned", ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refuses(cases[i].text, strlen(cases[i].text), JINJA_CHAT, cases[i].code, cases[i].where, cases[i].what);
    assert_refuses("\xff", 1, JINJA_CHAT, ERROR_FORMAT, "t.jinja", "UTF-8");
}

static void clock_and_nul(void **state)
{
    (void)state;
    static const struct tm then = {.tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_wday = 5};
    static const char text[] = "{{ strftime_now('%d %b %Y') }}\0{{ '' ~ strftime_now('') }}";
    error err = {0};
    size_t n;
    jinja *t = jinja_parse("t", text, sizeof text - 1, JINJA_CHAT, &err);
    assert_non_null(t);
    jinja_set_clock(t, &then);
    char *made = jinja_render(t, NULL, &n, &err);
    assert_non_null(made);
    assert_int_equal(n, 12);
    assert_memory_equal(made, "26 Jul 2024\0", 13);
    free(made);
    jinja_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(statements), cmocka_unit_test(settings_differ), cmocka_unit_test(errors_tell_where), cmocka_unit_test(clock_and_nul)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
