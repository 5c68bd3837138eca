#include "search/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "search/kind.h"

#define FULL_COVARIANCE 1000        /* more dimensions than this: the separable variant */
#define MAX_POPULATION (1 << 20)
#define MAX_NUMBERS ((size_t)1 << 31)   /* population x n */

/* A saved state: magic, version, length of the rest, the common part, the kind's part, SHA-256 of all before (in hexadecimal). */
static const char magic[8] = "MGNSRCH";
#define VERSION 2
#define HEAD (sizeof magic + 4 + 8)
#define TAIL 64

static const optimizer_kind *const kinds[] = {
    &optimizer_cma_es, &optimizer_sep_cma_es, &optimizer_cma_es_margin, &optimizer_sep_cma_es_margin, &optimizer_bernoulli_cma, &optimizer_genetic, &optimizer_random,
};
static const char *const names[] = {"cma-es", "sep-cma-es", "cma-es-margin", "sep-cma-es-margin", "bernoulli-cma", "genetic", "random", NULL};

const char *const *optimizer_names(void)
{
    return names;
}

const char *optimizer_default(bool has_binaries)
{
    return has_binaries ? optimizer_bernoulli_cma.name : optimizer_cma_es.name;
}

static const optimizer_kind *kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

static double *copy_or(const double *v, size_t n, double standard)
{
    double *copy = memory_new(n, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = v ? v[i] : standard;
    return copy;
}

/* The options' arrays become o's own. What is not given of a binary, or not used, becomes its only sensible value. */
static void copy_space(optimizer *o, const optimizer_options *options)
{
    o->kinds = memory_new(o->n, sizeof *o->kinds);
    o->needs = memory_new(o->n, sizeof *o->needs);
    o->low = copy_or(options->low, o->n, -INFINITY);
    o->high = copy_or(options->high, o->n, INFINITY);
    o->spread = copy_or(options->spread, o->n, 1);
    for (size_t i = 0; i < o->n; i++) {
        o->kinds[i] = options->kinds ? options->kinds[i] : VARIABLE_REAL;
        o->needs[i] = options->needs ? options->needs[i] : -1;
        if (o->kinds[i] != VARIABLE_BINARY)
            continue;
        o->low[i] = options->low ? o->low[i] : 0;
        o->high[i] = options->high ? o->high[i] : 1;
        o->spread[i] = 1;
    }
}

static int check_variable(const optimizer *o, size_t i, error *err)
{
    const char *name = o->kind->name;
    int needs = o->needs[i];
    if (o->kinds[i] != VARIABLE_REAL && o->kinds[i] != VARIABLE_BINARY)
        return fail(err, ERROR_USAGE, "%s: dimension %zu is of the unknown kind %d", name, i, (int)o->kinds[i]);
    if (is_binary(o, i) && (o->low[i] != 0 || o->high[i] != 1))
        return fail(err, ERROR_USAGE, "%s: dimension %zu is binary: bounds [%g, %g]: they must be 0 and 1", name, i, o->low[i], o->high[i]);
    if (needs < -1 || (needs >= 0 && (size_t)needs >= o->n))
        return fail(err, ERROR_USAGE, "%s: dimension %zu needs %d, which is none of the %zu dimensions", name, i, needs, o->n);
    if (needs >= 0 && (is_binary(o, i) || !is_binary(o, (size_t)needs)))
        return fail(err, ERROR_USAGE, "%s: dimension %zu needs %d: only a real one can need, and only a binary one", name, i, needs);
    return 0;
}

void optimizer_free(optimizer *o)
{
    if (!o)
        return;
    if (o->state)
        o->kind->clear(o);
    free(o->state);
    free(o->kinds);
    free(o->needs);
    free(o->low);
    free(o->high);
    free(o->spread);
    free(o->x);
    free(o->mean);
    free(o);
}

/* What holds for every optimiser, new or loaded. */
static int check(const optimizer *o, error *err)
{
    const char *name = o->kind->name;
    if (o->population < o->kind->min_population || o->population > MAX_POPULATION)
        return fail(err, ERROR_USAGE, "%s: a population of %d: give %d to %d", name, o->population, o->kind->min_population, MAX_POPULATION);
    if (!isfinite(o->sigma0) || o->sigma0 <= 0)
        return fail(err, ERROR_USAGE, "%s: sigma is %g; it must be above 0", name, o->sigma0);
    for (size_t i = 0; i < o->n; i++) {
        if (check_variable(o, i, err) < 0)
            return -1;
        if (!(o->low[i] < o->high[i]))
            return fail(err, ERROR_USAGE, "%s: dimension %zu: bounds [%g, %g]: low must be below high", name, i, o->low[i], o->high[i]);
        if (!isfinite(o->spread[i]) || o->spread[i] <= 0)
            return fail(err, ERROR_USAGE, "%s: dimension %zu: spread %g must be above 0", name, i, o->spread[i]);
    }
    return 0;
}

static int check_size(const char *name, uint64_t n, uint64_t max_n, uint64_t population, error *err)
{
    if (n == 0 || n > max_n)
        return fail(err, ERROR_LIMIT, "%s: %llu dimensions: 1 to %llu are possible", name, (unsigned long long)n, (unsigned long long)max_n);
    if (population > MAX_NUMBERS / n)
        return fail(err, ERROR_LIMIT, "%s: a population of %llu in %llu dimensions is more than %zu numbers", name,
                    (unsigned long long)population, (unsigned long long)n, MAX_NUMBERS);
    return 0;
}

static void fail_unknown(const char *name, error *err)
{
    string known = {0};
    for (size_t i = 0; names[i]; i++)
        string_print(&known, "%s%s", i ? ", " : "", names[i]);
    fail(err, ERROR_USAGE, "no optimizer is called '%s'; there are %s", name, known.text);
    free(known.text);
}

optimizer *optimizer_new(const char *name, const optimizer_options *options, error *err)
{
    const optimizer_kind *kind = kind_find(name);
    if (!kind) {
        fail_unknown(name, err);
        return NULL;
    }
    if (options->n > FULL_COVARIANCE && !options->full)
        kind = kind == &optimizer_cma_es ? &optimizer_sep_cma_es : kind == &optimizer_cma_es_margin ? &optimizer_sep_cma_es_margin : kind;
    int population = options->population;
    if (population == 0)
        population = (int)fmax(kind->usual_population, 4 + floor(3 * log((double)options->n)));
    if (check_size(kind->name, options->n, kind->max_n, population < 0 ? 0 : (uint64_t)population, err) < 0)
        return NULL;

    size_t n = options->n;
    optimizer *o = memory_new(1, sizeof *o);
    *o = (optimizer){.kind = kind, .n = n, .population = population, .active = options->active != 0, .seed = options->seed,
                     .sigma0 = options->sigma == 0 ? 1 : options->sigma, .move = options->move, .move_context = options->move_context};
    copy_space(o, options);
    if (check(o, err) < 0)
        goto failed;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(options->start[i]) || options->start[i] < o->low[i] || options->start[i] > o->high[i]) {
            fail(err, ERROR_USAGE, "%s: dimension %zu starts at %g, outside its bounds [%g, %g]", kind->name, i, options->start[i],
                 o->low[i], o->high[i]);
            goto failed;
        }
    size_t bytes = (size_t)population * n * sizeof *o->x;
    o->x = memory_try(bytes, "an optimizer's candidates", err);
    if (!o->x || kind->begin(o, options->start, err) < 0 || kind->sample(o, err) < 0)
        goto failed;
    return o;
failed:
    optimizer_free(o);
    return NULL;
}

void optimizer_set_move(optimizer *o, optimizer_move *move, const void *context)
{
    o->move = move;
    o->move_context = context;
}

const char *optimizer_name(const optimizer *o)
{
    return o->kind->name;
}

size_t optimizer_dimensions(const optimizer *o)
{
    return o->n;
}

int optimizer_population(const optimizer *o)
{
    return o->population;
}

uint32_t optimizer_generation(const optimizer *o)
{
    return o->generation;
}

const double *optimizer_mean(const optimizer *o)
{
    return o->mean;
}

double optimizer_sigma(const optimizer *o)
{
    return o->kind->sigma(o);
}

void optimizer_ask(const optimizer *o, double *x)
{
    memcpy(x, o->x, (size_t)o->population * o->n * sizeof *x);
}

typedef struct ranked { fate f; size_t index; } ranked;

static int descending(double a, double b)
{
    return a > b ? -1 : a < b;
}

/* Complete ones by objective, then pruned ones by how far they came and how they stood, then invalid ones. */
static int compare_fates(const fate *a, const fate *b)
{
    if (a->state != b->state)
        return a->state < b->state ? -1 : 1;
    if (a->state == FATE_COMPLETE)
        return descending(a->objective, b->objective);
    if (a->state == FATE_PRUNED)
        return a->round != b->round ? descending(a->round, b->round) : descending(a->partial, b->partial);
    return descending(b->violation, a->violation);
}

static int compare(const void *a, const void *b)
{
    const ranked *p = a, *q = b;
    int order = compare_fates(&p->f, &q->f);
    return order ? order : p->index < q->index ? -1 : 1;
}

int optimizer_tell(optimizer *o, const fate *fates, error *err)
{
    size_t count = (size_t)o->population;
    for (size_t i = 0; i < count; i++) {
        double value = fates[i].state == FATE_COMPLETE ? fates[i].objective : fates[i].state == FATE_PRUNED ? fates[i].partial : fates[i].violation;
        if (!isfinite(value))
            return fail(err, ERROR_NOT_FINITE, "%s: candidate %zu of generation %u scored %g: tell it as invalid", o->kind->name, i,
                        o->generation, value);
        if (fates[i].state != FATE_COMPLETE && fates[i].state != FATE_PRUNED && fates[i].state != FATE_INVALID)
            return fail(err, ERROR_USAGE, "%s: candidate %zu has the unknown fate %d", o->kind->name, i, (int)fates[i].state);
    }
    if (o->generation == UINT32_MAX)
        return fail(err, ERROR_LIMIT, "%s: generation %u is the last one", o->kind->name, o->generation);

    ranked *list = memory_new(count, sizeof *list);
    size_t *order = memory_new(count, sizeof *order);
    bool *invalid = memory_new(count, sizeof *invalid);
    bool *complete = memory_new(count, sizeof *complete);
    double *value = memory_new(count, sizeof *value);
    for (size_t i = 0; i < count; i++) {
        list[i] = (ranked){fates[i], i};
        invalid[i] = fates[i].state == FATE_INVALID;
        complete[i] = fates[i].state == FATE_COMPLETE;
        value[i] = fates[i].state == FATE_COMPLETE ? fates[i].objective : fates[i].state == FATE_PRUNED ? fates[i].partial : 0;
    }
    qsort(list, count, sizeof *list, compare);
    for (size_t i = 0; i < count; i++)
        order[i] = list[i].index;
    ranking r = {.order = order, .invalid = invalid, .complete = complete, .value = value, .flat = compare_fates(&list[0].f, &list[count - 1].f) == 0};
    int status = o->kind->update(o, &r, err);
    if (status == 0) {
        o->generation++;
        status = o->kind->sample(o, err);
    }
    free(list);
    free(order);
    free(invalid);
    free(complete);
    free(value);
    return status;
}

void write_u32(string *s, uint32_t v)
{
    string_add(s, (const char *)&v, sizeof v);
}

void write_u64(string *s, uint64_t v)
{
    string_add(s, (const char *)&v, sizeof v);
}

void write_reals(string *s, const double *v, size_t n)
{
    string_add(s, (const char *)v, n * sizeof *v);
}

static void take(reader *r, void *out, size_t n)
{
    memset(out, 0, n);
    if (r->bad || n > r->left) {
        r->bad = true;
        return;
    }
    memcpy(out, r->at, n);
    r->at += n;
    r->left -= n;
}

uint32_t read_u32(reader *r)
{
    uint32_t v;
    take(r, &v, sizeof v);
    return v;
}

uint64_t read_u64(reader *r)
{
    uint64_t v;
    take(r, &v, sizeof v);
    return v;
}

double *read_reals(reader *r, size_t n)
{
    if (r->bad || n > r->left / sizeof(double)) {
        r->bad = true;
        return NULL;
    }
    double *v = memory_new(n, sizeof *v);
    take(r, v, n * sizeof *v);
    return v;
}

int check_finite(const double *v, size_t n, const char *what, error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return fail(err, ERROR_FORMAT, "optimizer state: number %zu of %s is %g", i, what, v[i]);
    return 0;
}

void *optimizer_save(const optimizer *o, size_t *n)
{
    string body = {0}, out = {0};
    write_u32(&body, (uint32_t)strlen(o->kind->name));
    string_puts(&body, o->kind->name);
    write_u64(&body, o->n);
    write_u32(&body, (uint32_t)o->population);
    write_u32(&body, o->active);
    write_u32(&body, o->generation);
    write_u64(&body, o->seed);
    write_reals(&body, &o->sigma0, 1);
    for (size_t i = 0; i < o->n; i++)
        write_u32(&body, o->kinds[i]);
    for (size_t i = 0; i < o->n; i++)
        write_u32(&body, (uint32_t)o->needs[i]);
    write_reals(&body, o->low, o->n);
    write_reals(&body, o->high, o->n);
    write_reals(&body, o->spread, o->n);
    write_reals(&body, o->x, (size_t)o->population * o->n);
    o->kind->write(o, &body);

    string_add(&out, magic, sizeof magic);
    write_u32(&out, VERSION);
    write_u64(&out, body.length);
    string_add(&out, body.text, body.length);
    free(body.text);
    char hex[65];
    file_sha256(out.text, out.length, hex);
    string_add(&out, hex, TAIL);
    *n = out.length;
    return out.text;
}

/* The frame: what it is, whether it is whole. */
static int open_frame(const void *bytes, size_t n, reader *r, error *err)
{
    if (n < HEAD + TAIL || memcmp(bytes, magic, sizeof magic) != 0)
        return fail(err, ERROR_FORMAT, "optimizer state: %zu bytes that are not one", n);
    *r = (reader){.at = (const unsigned char *)bytes + sizeof magic, .left = n - sizeof magic - TAIL};
    uint32_t version = read_u32(r);
    if (version != VERSION)
        return fail(err, ERROR_UNSUPPORTED, "optimizer state: version %u; this program reads version %d", version, VERSION);
    uint64_t length = read_u64(r);
    if (length != r->left)
        return fail(err, ERROR_FORMAT, "optimizer state: %llu bytes promised, %zu there", (unsigned long long)length, r->left);
    char hex[65];
    file_sha256(bytes, n - TAIL, hex);
    if (memcmp(hex, (const char *)bytes + n - TAIL, TAIL) != 0)
        return fail(err, ERROR_FORMAT, "optimizer state: its checksum does not match");
    return 0;
}

static int read_variables(optimizer *o, reader *r, error *err)
{
    if (o->n > r->left / (2 * sizeof(uint32_t)))
        return fail(err, ERROR_FORMAT, "optimizer state: ends before its %zu dimensions", o->n);
    o->kinds = memory_new(o->n, sizeof *o->kinds);
    o->needs = memory_new(o->n, sizeof *o->needs);
    for (size_t i = 0; i < o->n; i++)
        o->kinds[i] = (enum variable)read_u32(r);
    for (size_t i = 0; i < o->n; i++)
        o->needs[i] = (int)read_u32(r);
    return 0;
}

static int read_common(optimizer *o, reader *r, error *err)
{
    uint32_t length = read_u32(r);
    char name[32] = "";
    if (length >= sizeof name)
        return fail(err, ERROR_FORMAT, "optimizer state: a name of %u bytes", length);
    take(r, name, length);
    o->kind = kind_find(name);
    if (!o->kind)
        return fail(err, ERROR_FORMAT, "optimizer state: of the unknown optimizer '%s'", name);
    uint64_t n = read_u64(r);
    uint32_t population = read_u32(r), active = read_u32(r);
    if (check_size("optimizer state", n, o->kind->max_n, population, err) < 0)
        return -1;
    if (population > MAX_POPULATION || active > 1)
        return fail(err, ERROR_FORMAT, "optimizer state: population %u, active %u", population, active);
    o->n = n;
    o->population = (int)population;
    o->active = active;
    o->generation = read_u32(r);
    o->seed = read_u64(r);
    take(r, &o->sigma0, sizeof o->sigma0);
    if (read_variables(o, r, err) < 0)
        return -1;
    o->low = read_reals(r, o->n);
    o->high = read_reals(r, o->n);
    o->spread = read_reals(r, o->n);
    o->x = read_reals(r, (size_t)population * o->n);
    if (r->bad)
        return fail(err, ERROR_FORMAT, "optimizer state: ends before its %llu dimensions", (unsigned long long)n);
    if (check(o, err) < 0)
        return fail_in(err, "optimizer state");
    for (size_t i = 0; i < (size_t)population * o->n; i++)
        if (!isfinite(o->x[i]) || o->x[i] < o->low[i % o->n] || o->x[i] > o->high[i % o->n])
            return fail(err, ERROR_FORMAT, "optimizer state: candidate %zu, dimension %zu is %g, outside [%g, %g]", i / o->n, i % o->n,
                        o->x[i], o->low[i % o->n], o->high[i % o->n]);
        else if (is_binary(o, i % o->n) && o->x[i] != 0 && o->x[i] != 1)
            return fail(err, ERROR_FORMAT, "optimizer state: candidate %zu, dimension %zu is %g, neither 0 nor 1", i / o->n, i % o->n, o->x[i]);
    return 0;
}

optimizer *optimizer_load(const void *bytes, size_t n, error *err)
{
    reader r;
    if (open_frame(bytes, n, &r, err) < 0)
        return NULL;
    optimizer *o = memory_new(1, sizeof *o);
    if (read_common(o, &r, err) < 0 || o->kind->read(o, &r, err) < 0)
        goto failed;
    if (r.bad || r.left) {
        fail(err, ERROR_FORMAT, "optimizer state: %s", r.bad ? "ends too early" : "bytes are left over");
        goto failed;
    }
    return o;
failed:
    optimizer_free(o);
    return NULL;
}
