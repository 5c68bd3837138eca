#include "check.h"

#include "base/memory.h"
#include "base/random.h"
#include "search/flow.h"

static const char *const names[] = {"a", "b", "c"};
static const int layers[] = {4, 4, 3};

static flow_options options(size_t sources, int repetitions, enum flow_scales scales)
{
    return (flow_options){.names = names, .layers = layers, .n_sources = sources, .repetitions = repetitions, .pin_ends = true, .scales = scales,
                          .scale_low = .5, .scale_high = 1.5, .scale_spread = .1, .start_on = .97, .start_off = .02};
}

static genome *flow_of(flow_options o)
{
    error err = {0};
    genome *g = flow_genome(&o, &err);
    if (!g)
        fail_msg("%s", err.text);
    return g;
}

static layer_path *sources(size_t n)
{
    layer_path *p = path_new();
    for (size_t i = 0; i < n; i++)
        path_add_source(p, names[i], names[i]);
    return p;
}

static double *start_of(const genome *g)
{
    double *x = memory_new(g->count, sizeof *x);
    for (size_t i = 0; i < g->count; i++)
        x[i] = g->dimensions[i].start;
    return x;
}

static void assert_path(const genome *g, const double *x, size_t n_sources, const char *text)
{
    layer_path *p = sources(n_sources);
    assert_true(flow_decode(g, x, p) == 0);
    char *is = path_text(p);
    assert_string_equal(is, text);
    free(is);
    path_free(p);
}

/* The start is the first source itself, whose ends are pinned and have no binary. */
static void test_start(void **state)
{
    (void)state;
    genome *g = flow_of(options(2, 2, FLOW_SLOTS));
    double *x = start_of(g);
    assert_int_equal(flow_slots(g), 16);
    assert_int_equal(g->count, 14 + 16);
    assert_path(g, x, 2, "a 0-3");
    assert_string_equal(g->dimensions[0].name, "a.1.r0.on");
    assert_true(g->dimensions[0].binary && g->dimensions[0].start == .97 && g->dimensions[2].start == .02);
    assert_string_equal(g->dimensions[14].name, "a.0.r0.scale");
    assert_int_equal(g->dimensions[14].needs, -1);
    assert_int_equal(g->dimensions[15].needs, 0);
    free(x);
    genome_free(g);
    flow_options free_ends = options(2, 3, FLOW_MATRIX);
    free_ends.pin_ends = false;
    g = flow_of(free_ends);
    assert_int_equal(g->count, 24 + 64);        /* T and W; 192 + 4096 in the paper */
    genome_free(g);
}

static void test_decodes_in_order_of_slots(void **state)
{
    (void)state;
    genome *g = flow_of(options(2, 2, FLOW_SLOTS));
    double *x = start_of(g);
    x[0] = 0;       /* a.1 */
    x[3] = 1;       /* b.1 */
    x[6] = 1;       /* a.0 once more */
    x[14 + 3] = .8; /* the scale of b.0, which is off, and of b.1 */
    x[14 + 4] = .9;
    assert_path(g, x, 2, "a 0, a 2, b 1 x0.9, a 0, a 3");
    free(x);
    genome_free(g);
}

static void test_limits(void **state)
{
    (void)state;
    flow_options o = options(2, 2, FLOW_NO_SCALES);
    o.max_hops = 5;
    genome *g = flow_of(o);
    layer_path *p = sources(2);
    double *x = start_of(g);
    for (size_t i = 0; i < g->count; i++)
        x[i] = 1;
    assert_true(flow_decode(g, x, p) == 11 && p->n_hops == 0);
    genome_free(g);
    o.pin_ends = false;
    o.max_hops = 0;
    g = flow_of(o);
    double *none = memory_new(g->count, sizeof *none);
    assert_true(flow_decode(g, none, p) == 1 && p->n_hops == 0);
    free(none);
    free(x);
    genome_free(g);
    path_free(p);
    error err = {0};
    o.repetitions = 0;
    assert_null(flow_genome(&o, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
    o = options(2, 1, FLOW_SLOTS);
    o.scale_low = 1.1;
    assert_null(flow_genome(&o, &err));
    o = options(2, 1, FLOW_SLOTS);
    o.max_hops = 1;
    assert_null(flow_genome(&o, &err));
}

static void test_matrix_and_network(void **state)
{
    (void)state;
    genome *g = flow_of(options(2, 1, FLOW_MATRIX));
    double *x = start_of(g);
    assert_path(g, x, 2, "a 0-3");
    x[6 + 0 * 8 + 1] = .9;      /* from a.0 to a.1 */
    x[6 + 1 * 8 + 0] = .7;      /* never taken */
    assert_path(g, x, 2, "a 0, a 1 x0.9, a 2-3");
    assert_string_equal(g->dimensions[6 + 1].name, "a.0.a.1.scale");
    free(x);
    genome_free(g);
    g = flow_of(options(3, 1, FLOW_NETWORK));
    x = start_of(g);
    assert_path(g, x, 3, "a 0-3");      /* all scales start at 1 */
    x[g->count - 1] = .3;
    layer_path *p = sources(3);
    assert_true(flow_decode(g, x, p) == 0);
    bool differ = false;
    for (size_t i = 0; i < p->n_hops; i++) {
        assert_true(fabs(p->hops[i].scale - 1) <= .3);
        differ = differ || p->hops[i].scale != p->hops[0].scale;
    }
    assert_true(differ);
    path_free(p);
    free(x);
    genome_free(g);
}

static void test_encodes_what_it_decodes(void **state)
{
    (void)state;
    error err = {0};
    genome *g = flow_of(options(2, 2, FLOW_SLOTS));
    double *x = memory_new(g->count, sizeof *x);
    layer_path *p = sources(2);
    path_add_hop(p, 0, 0, 1);
    path_add_hop(p, 1, 2, .8);
    path_add_hop(p, 0, 1, 1.2);
    path_add_hop(p, 0, 3, 7);       /* beyond its bounds */
    assert_int_equal(flow_encode(g, p, x, &err), 0);
    assert_path(g, x, 2, "a 0, b 2 x0.8, a 1 x1.2, a 3 x1.5");
    p->hops[3].layer = 2;           /* the end is pinned */
    assert_int_equal(flow_encode(g, p, x, &err), -1);
    p->hops[3].layer = 3;
    for (int i = 0; i < 3; i++) {   /* a falling row of layers needs a repetition each */
        path_add_hop(p, 0, 2 - i, 1);
        path_add_hop(p, 0, 3, 1);
    }
    assert_int_equal(flow_encode(g, p, x, &err), -1);
    assert_non_null(strstr(err.text, "more repetitions"));
    path_free(p);
    free(x);
    genome_free(g);
}

/* Every move leaves a path that begins and ends as it must, and after many of them all kinds of paths were seen. */
static void test_moves(void **state)
{
    (void)state;
    flow_options o = options(3, 2, FLOW_SLOTS);
    o.max_hops = 9;
    genome *g = flow_of(o);
    layer_path *p = sources(3);
    double *x = start_of(g);
    random_stream s = random_stream_for(1, "moves", 0, 0);
    size_t shortest = 99, longest = 0;
    bool repeats = false, foreign = false;
    for (size_t i = 0; i < g->count; i++)
        x[i] = g->dimensions[i].binary ? x[i] > .5 : x[i];
    for (int k = 0; k < 2000; k++) {
        flow_move(g, x, &s);
        for (size_t i = 0; i < g->count; i++)
            assert_true(!g->dimensions[i].binary || x[i] == 0 || x[i] == 1);
        assert_true(flow_decode(g, x, p) == 0);
        size_t n = p->n_hops;
        assert_true(p->hops[0].source == 0 && p->hops[0].layer == 0 && p->hops[n - 1].source == 0 && p->hops[n - 1].layer == 3);
        shortest = n < shortest ? n : shortest;
        longest = n > longest ? n : longest;
        for (size_t i = 1; i < n; i++) {
            repeats = repeats || (p->hops[i].source == p->hops[i - 1].source && p->hops[i].layer <= p->hops[i - 1].layer);
            foreign = foreign || p->hops[i].source == 2;
        }
    }
    assert_true(shortest <= 3 && longest == 9 && repeats && foreign);
    path_free(p);
    free(x);
    genome_free(g);
}

/* More hops may be allowed than there are slots. */
static void test_moves_in_few_slots(void **state)
{
    (void)state;
    flow_options o = options(1, 1, FLOW_NO_SCALES);
    o.max_hops = 100;
    genome *g = flow_of(o);
    layer_path *p = sources(1);
    double x[2] = {1, 1};
    random_stream s = random_stream_for(2, "moves", 0, 0);
    assert_int_equal(g->count, 2);
    for (int k = 0; k < 500; k++) {
        flow_move(g, x, &s);
        assert_true(flow_decode(g, x, p) == 0 && p->n_hops >= 2 && p->n_hops <= 4);
    }
    path_free(p);
    genome_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),  cmocka_unit_test(test_decodes_in_order_of_slots), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_matrix_and_network), cmocka_unit_test(test_encodes_what_it_decodes), cmocka_unit_test(test_moves), cmocka_unit_test(test_moves_in_few_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
