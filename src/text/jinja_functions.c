/* Names that every template knows: range, dict, namespace; in JINJA_CHAT raise_exception and strftime_now. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "text/jinja_run.h"
#include "text/utf8.h"

#define RANGE_LIMIT 100000        /* items; Jinja's sandbox has the same */
#define LONGEST_TIME 4096         /* bytes of a strftime_now */

/* ---- range */

static int64_t range_count(int64_t begin, int64_t end, int64_t step)
{
    if (step > 0 ? begin >= end : begin <= end)
        return 0;
    __int128 distance = step > 0 ? (__int128)end - begin : (__int128)begin - end, stride = step > 0 ? step : -(__int128)step;
    __int128 count = (distance + stride - 1) / stride;
    return count > RANGE_LIMIT ? RANGE_LIMIT + 1 : (int64_t)count;
}

static int function_range(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)self;
    int64_t numbers[3] = {0, 0, 1};
    jvalue made;
    if (a->count < 1 || a->count > 3 || a->n_named)
        return jfail(r, "range() takes 1 to 3 numbers");
    for (size_t i = 0; i < a->count; i++) {
        size_t place = a->count == 1 ? 1 : i;
        jwhole x;
        if (!jwhole_of(a->items[i], &x))
            return jfail_type(r, "'%s' object cannot be interpreted as an integer", a->items[i]);
        numbers[place] = x > INT64_MAX ? INT64_MAX : x < -INT64_MAX ? -INT64_MAX : (int64_t)x;
    }
    if (numbers[2] == 0)
        return jfail(r, "range() arg 3 must not be zero");
    int64_t n = range_count(numbers[0], numbers[1], numbers[2]);
    if (n > RANGE_LIMIT)
        return jfail_code(r, ERROR_LIMIT, "a range of more than the limit of %d numbers", RANGE_LIMIT);
    if (jlist_make(r, J_VIEW, (size_t)n, &made) != 0)
        return -1;
    for (int64_t i = 0; i < n; i++)
        made.as.list->items[i] = jvalue_int((jwhole)numbers[0] + (jwhole)i * numbers[2]);
    made.as.list->count = (size_t)n;
    made.as.list->label = numbers[2] == 1 ? jprint_text(r, "range(%lld, %lld)", (long long)numbers[0], (long long)numbers[1])
                                          : jprint_text(r, "range(%lld, %lld, %lld)", (long long)numbers[0], (long long)numbers[1], (long long)numbers[2]);
    *out = made;
    return made.as.list->label ? 0 : -1;
}

/* ---- dict, namespace */

/* The entries of a dict, or of a list of pairs. */
static int put_entries(jrun *r, jdict *d, jvalue from)
{
    const jvalue *items, *pair;
    size_t n, two;
    if (jitems(r, from, &items, &n) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        bool is_dict = from.type == J_DICT;
        if (!is_dict && jitems(r, items[i], &pair, &two) != 0)
            return -1;
        if (!is_dict && two != 2)
            return jfail(r, "dictionary update sequence element #%zu has length %zu; 2 is required", i, two);
        if (jstep(r, 1) != 0 || jdict_put(r, d, is_dict ? items[i] : pair[0], is_dict ? from.as.dict->values[i] : pair[1]) != 0)
            return -1;
    }
    return 0;
}

static int function_dict(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)self;
    if (jdict_make(r, out) != 0)
        return -1;
    if (a->count > 1)
        return jfail(r, "dict expected at most 1 argument, got %zu", a->count);
    if (a->count && put_entries(r, out->as.dict, a->items[0]) != 0)
        return -1;
    for (size_t i = 0; i < a->n_named; i++)
        if (jdict_put(r, out->as.dict, jvalue_word(a->names[i]), a->named[i]) != 0)
            return -1;
    return 0;
}

static int function_namespace(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    if (function_dict(r, self, a, out) != 0)
        return -1;
    out->type = J_NAMESPACE;
    return 0;
}

/* ---- chat templates' own */

static int function_raise(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)self;
    (void)out;
    jvalue text;
    if (jto_text(r, a->items[0], &text) != 0)
        return -1;
    return jfail(r, "%.*s", (int)(text.as.text.n < 800 ? text.as.text.n : 800), text.as.text.s);
}

static int function_strftime(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)self;
    jvalue format = {0};
    struct tm now = r->source->clock;
    time_t seconds = time(NULL);
    if (jarg_text(r, a, 0, &format) != 0)
        return -1;
    if (!r->source->has_clock && !localtime_r(&seconds, &now))
        return jfail(r, "the present is not known");
    const char *text = jprint_text(r, "%.*s ", (int)(format.as.text.n < 250 ? format.as.text.n : 250), format.as.text.s);   /* a blank: never empty */
    char *made = jbytes(r, LONGEST_TIME);
    if (!text || !made)
        return -1;
    size_t n = strftime(made, LONGEST_TIME, text, &now);
    if (n == 0 || format.as.text.n >= 250 || !utf8_valid(made, n))
        return jfail_code(r, ERROR_LIMIT, "strftime_now: a format or a result longer than the limit of %d bytes", LONGEST_TIME);
    *out = jvalue_text(made, n - 1);
    return 0;
}

static int unknown(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)self;
    (void)a;
    (void)out;
    return jfail_code(r, ERROR_UNSUPPORTED, "cycler, joiner and lipsum are not known here");
}

static const jrow functions[] = {{"range", function_range, NULL, 0}, {"dict", function_dict, NULL, 0}, {"namespace", function_namespace, NULL, 0},
                                 {"cycler", unknown, NULL, 0}, {"joiner", unknown, NULL, 0}, {"lipsum", unknown, NULL, 0}, {0}};
static const jrow chat_functions[] = {{"raise_exception", function_raise, "message", 1}, {"strftime_now", function_strftime, "format", 1}, {0}};

const jrow *jfunction_find(const jrun *r, const char *name)
{
    const jrow *row = jrow_find(functions, name);
    return row || r->source->setting != JINJA_CHAT ? row : jrow_find(chat_functions, name);
}
