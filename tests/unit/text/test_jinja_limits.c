/* Templates that would run for ever, eat all memory or reach out of their sandbox: each is one line that names the limit. */
#include "check_jinja.h"

static void expect_limit(const char *text, const char *limit)
{
    assert_refuses(text, strlen(text), JINJA_CHAT, ERROR_LIMIT, "t.jinja:1:", limit);
}

static void endless(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set l = range(99999) %}{% for a in l %}{% for b in l %}{{ 1 if 0 }}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% for i in range(9) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endfor %}{% endmacro %}{{ f(20) }}",
        "{% set l = range(50000) | list %}{% for i in l %}{% if -1 in l %}{% endif %}{% endfor %}",
        "{% set s = 'ab' * 1000000 %}{% for i in range(99999) %}{{ s.find('c') }}{% endfor %}",
        "{% set s = 'ab' * 1000000 %}{% for i in range(99999) %}{{ s | length }}{% endfor %}",
        "{{ ('a' * 1000000 ~ 'b').rfind('b' ~ 'a' * 500000) }}{{ ('a' * 1000000).rfind('a' * 400000 ~ 'b' ~ 'a' * 400000) }}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_limit(texts[i], i == 0 || i == 2 ? "limit of" : "the limit of 5000000 steps");
    expect_limit("{% for a in range(10 ** 9) %}{% endfor %}", "the limit of 100000 numbers");
}

static void huge(void **state)
{
    (void)state;
    static const struct { const char *text, *limit; } cases[] = {
        {"{{ 'x' * 10 ** 9 }}", "256 MB"},
        {"{{ [0] * 10 ** 9 }}", "256 MB"},
        {"{{ 'x' * 10 ** 30 }}", "256 MB"},
        {"{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "limit of"},
        {"{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s | replace('x', 'xx') %}{% endfor %}", "limit of"},
        {"{% set ns = namespace(s=['x']) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "256 MB"},
        {"{% set ns = namespace(s=['x']) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}", "limit of"},
        {"{% set x = 'x' * 1000000 %}{% for i in range(999) %}{{ x }}{% endfor %}", "64 MB"},
        {"{{ ('x' * 60000000) | upper }}", "64 MB"},
        {"{{ '%1000000000d' % 1 }}", "limit of"},
        {"{{ 'x'.ljust(10 ** 10) }}", "limit of"},
        {"{{ '{:1000000000}'.format('x') }}", "limit of"},
        {"{{ [1] | tojson(indent=10 ** 10) }}", "256 MB"},
        {"{{ 'x' | indent(10 ** 10) }}", "256 MB"},
        {"{{ [1] | batch(10 ** 10, 0) | list }}", "256 MB"},
        {"{{ range(9) | slice(10 ** 10) | list }}", "limit of"},
        {"{{ ('a,' * 9999999).split(',') }}", "limit of"},
        {"{{ '%.999f' % 1.5 }}", "the limit is 300"},
        {"{{ strftime_now('%999999d') }}", "strftime_now"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_limit(cases[i].text, cases[i].limit);
}

/* `before` n times, `middle`, `after` n times. */
static void expect_deep(const char *before, const char *middle, const char *after, size_t n, enum error_code code, const char *limit)
{
    string text = {0};
    for (size_t i = 0; i < n; i++)
        string_puts(&text, before);
    string_puts(&text, middle);
    for (size_t i = 0; i < n; i++)
        string_puts(&text, after);
    assert_refuses(text.text, text.length, JINJA_CHAT, code, "t.jinja:", limit);
    free(text.text);
}

static void deep(void **state)
{
    (void)state;
    static const struct { const char *before, *middle, *after; } cases[] = {
        {"{% if 1 %}", "", "{% endif %}"}, {"{% for a in b %}", "", "{% endfor %}"}, {"{{ (", "1", ") }}"}, {"{% macro m() %}", "", "{% endmacro %}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (i != 2)
            expect_deep(cases[i].before, cases[i].middle, cases[i].after, 30000, ERROR_FORMAT, "the limit of 200");
    static const char *const openers[] = {"(", "[", "{1:", "-", "not ", "a if b else ", "a.b(", "a[", "x|f("};
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        string text = {0};
        string_puts(&text, "{{ ");
        for (int k = 0; k < 50000; k++)
            string_puts(&text, openers[i]);
        assert_refuses(text.text, text.length, JINJA_CHAT, ERROR_FORMAT, "t.jinja:1:", "the limit of 200");
        free(text.text);
    }
    static const char *const chains[] = {" + 1", " | list", ".a", "[0]", "()", " and 1", " ** 1", " is defined and 1"};
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        string text = {0};
        string_puts(&text, "{{ 1");
        for (int k = 0; k < 50000; k++)
            string_puts(&text, chains[i]);
        string_puts(&text, " }}");
        assert_refuses(text.text, text.length, JINJA_CHAT, ERROR_FORMAT, "t.jinja:1:", "the limit of 200");
        free(text.text);
    }
    static const struct { const char *text, *limit; } running[] = {
        {"{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}", "the limit of 1000 levels"},
        {"{% macro f() %}{% call f() %}{{ caller }}{% endcall %}{% endmacro %}{{ f() }}", "the limit of 1000 levels"},
        {"{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}", "the limit of 1000 levels"},
        {"{% set ns = namespace(s=[]) %}{% for i in range(5000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}", "the limit of 1000 levels"},
        {"{% set ns = namespace(s=[]) %}{% for i in range(5000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s | tojson }}", "the limit of 1000 levels"},
        {"{% set a = namespace(s=[]) %}{% set b = namespace(s=[]) %}{% for i in range(5000) %}{% set a.s = [a.s] %}{% set b.s = [b.s] %}{% endfor %}{{ a.s == b.s }}",
         "the limit of 1000 levels"},
        {"{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "the limit of 1000 levels"},
    };
    for (size_t i = 0; i < sizeof running / sizeof *running; i++)
        expect_limit(running[i].text, running[i].limit);
    string many = {0};   /* not deep, but long */
    string_puts(&many, "{% if 0 %}");
    for (int i = 0; i < 50000; i++)
        string_puts(&many, "{% elif 0 %}");
    string_puts(&many, "{% else %}x{% endif %}");
    assert_renders(many.text, JINJA_CHAT, NULL, "x");
    free(many.text);
    size_t n = JINJA_TEXT_LIMIT + 1;
    char *long_text = memory_new(n, 1);
    memset(long_text, 'x', n);
    assert_refuses(long_text, n, JINJA_CHAT, ERROR_LIMIT, "t.jinja", "the limit is 1048576");
    free(long_text);
}

static void sandbox(void **state)
{
    (void)state;
    static const struct { const char *text, *what; } cases[] = {
        {"{{ ''.__class__ }}", "'__class__'"}, {"{{ ''['__class__'] }}", "'__class__'"}, {"{{ ''.__class__.__mro__[1].__subclasses__() }}", "'__class__'"},
        {"{{ '' | attr('__class__') }}", "'__class__'"}, {"{{ [''] | map(attribute='__class__') | list }}", "'__class__'"},
        {"{{ '{0.__class__}'.format('') }}", "'__class__'"}, {"{{ {}.__init__ }}", "'__init__'"}, {"{{ range.__globals__ }}", "'__globals__'"},
        {"{{ [1].append(2) }}", "'append'"}, {"{{ {}.update({'a': 1}) }}", "'update'"}, {"{{ {'a': 1}.pop('a') }}", "'pop'"}, {"{{ [1].sort() }}", "'sort'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refuses(cases[i].text, strlen(cases[i].text), JINJA_CHAT, ERROR_FORMAT, "t.jinja:1:", cases[i].what, "unsafe");
        assert_refuses(cases[i].text, strlen(cases[i].text), JINJA_PROMPT, ERROR_FORMAT, "t.jinja:1:", cases[i].what, "unsafe");
    }
    assert_renders("{{ a._b }}{{ a['__c'] }}", JINJA_CHAT, "{\"a\": {\"_b\": 1, \"__c\": 2}}", "12");   /* keys are no attributes */
}

static void patterns(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{{ ('a' * 50 ~ '!') | regex_replace('(a+)+$', '') }}", "{{ ('a' * 50 ~ '!') | regex_replace('(a|aa)+$', '') }}", "{{ ('a' * 200000) | regex_replace('(.*)(.*)(.*)(.*)[bc]', '') }}",
        "{{ ('x' * 1000000) | regex_replace('[ab]*[x]*+[yz]', '') }}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refuses(texts[i], strlen(texts[i]), JINJA_PROMPT, ERROR_LIMIT, "t.jinja:1:", "limit of");
    static const struct { const char *text, *what; } wrong[] = {
        {"{{ 'a' | regex_replace('(', '') }}", "does not compile"}, {"{{ 'a' | regex_replace('\\\\h', '') }}", "bad escape"}, {"{{ 'a' | regex_replace('a', '\\\\9') }}", "group reference 9"},
        {"{{ 'a' | regex_replace('a', '\\\\q') }}", "bad escape"}, {"{{ 'a' | regex_replace('a', '\\\\g<x>') }}", "unknown group name 'x'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refuses(wrong[i].text, strlen(wrong[i].text), JINJA_PROMPT, ERROR_FORMAT, "t.jinja:1:", wrong[i].what);
}

static void numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {"{{ 10 ** 10000 }}", "{{ 2 ** 127 }}", "{{ 10 ** 38 * 10 }}", "{{ 2 ** 126 + 2 ** 126 }}", "{{ -(2 ** 126) - 2 ** 126 - 1 }}", "{{ ('9' * 99) | int }}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refuses(texts[i], strlen(texts[i]), JINJA_CHAT, ERROR_LIMIT, "t.jinja:1:", "127 bits");
    assert_refuses("{{ 99999999999999999999999999999999999999999999 }}", 50, JINJA_CHAT, ERROR_FORMAT, "t.jinja:1:", "127 bits");
    assert_refuses("{{ 1e300 | int }}", 17, JINJA_CHAT, ERROR_FORMAT, "t.jinja:1:", "127 bits");
    assert_renders("{{ 2 ** 126 }} {{ -(2 ** 126) - 2 ** 126 }} {{ (2 ** 126) // -1 }} {{ 10 ** 30 % 7 }}", JINJA_CHAT, NULL,
                   "85070591730234615865843651857942052864 -170141183460469231731687303715884105728 -85070591730234615865843651857942052864 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(endless), cmocka_unit_test(huge), cmocka_unit_test(deep), cmocka_unit_test(sandbox), cmocka_unit_test(patterns),
                                       cmocka_unit_test(numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
