/* Blocks are shared, copied before they are written to, and come back. */
#include "../model/tiny.h"

#include "engine/kv.h"

typedef struct cache {
    checkpoint *checkpoint;
    plan *plan;
    kv_cache kv;
} cache;

static cache cache_new(int64_t blocks)
{
    error err = {0};
    cache c = {.checkpoint = tiny_checkpoint((tiny){0})};
    c.plan = plan_build(c.checkpoint, &err);
    assert_non_null(c.plan);
    kv_open(&c.kv, c.plan);
    assert_int_equal(kv_size(&c.kv, blocks, &err), 0);
    return c;
}

static void cache_free(cache *c)
{
    kv_close(&c->kv);
    plan_free(c->plan);
    checkpoint_free(c->checkpoint);
}

/* Position p of a sequence holds value, value + 1/16, ... in every hop, their negatives in the values. */
static void put(const kv_cache *kv, const kv_table *t, int64_t p, float value)
{
    float keys[16], values[16];
    for (int i = 0; i < 16; i++) {
        keys[i] = value + (float)i / 16;
        values[i] = -keys[i];
    }
    for (int h = 0; h < kv->n_hops; h++)
        kv_write(kv, t->block[p / KV_BLOCK], h, (int)(p % KV_BLOCK), keys, values);
}

static void expect(const kv_cache *kv, const kv_table *t, int64_t p, float value)
{
    for (int h = 0; h < kv->n_hops; h++)
        for (int64_t i = 0; i < 16; i++) {   /* 2 heads of 8 */
            const float *keys = kv_keys(kv, t->block[p / KV_BLOCK], h), *values = kv_values(kv, t->block[p / KV_BLOCK], h);
            const float want = value + (float)i / 16;
            if (keys[i * KV_BLOCK + p % KV_BLOCK] != want || values[(i / 8 * KV_BLOCK + p % KV_BLOCK) * 8 + i % 8] != -want)
                fail_msg("position %d, hop %d, element %d is not %g", (int)p, h, (int)i, (double)want);
        }
}

static void test_layout(void **state)
{
    (void)state;
    cache c = cache_new(3);
    assert_int_equal(c.kv.n_hops, 2);
    assert_int_equal(kv_block_bytes(&c.kv), 2 * 2 * 16 * KV_BLOCK * sizeof(float));   /* hops, keys and values, 2 heads of 8 */
    assert_int_equal(kv_blocks(0), 0);
    assert_int_equal(kv_blocks(KV_BLOCK), 1);
    assert_int_equal(kv_blocks(KV_BLOCK + 1), 2);
    assert_true(kv_promise(&c.kv, 2));
    assert_false(kv_promise(&c.kv, 2));
    kv_unpromise(&c.kv, 2);
    assert_true(kv_promise(&c.kv, 3));
    cache_free(&c);
}

static void test_share_copies_the_partial_block(void **state)
{
    (void)state;
    cache c = cache_new(8);
    kv_table a = {0}, b = {0};
    kv_extend(&c.kv, &a, 50);
    for (int64_t p = 0; p < 50; p++)
        put(&c.kv, &a, p, (float)p);
    kv_share(&c.kv, &b, &a, 40);
    assert_int_equal(b.length, 40);
    assert_int_equal(b.block[0], a.block[0]);
    assert_true(b.block[1] != a.block[1]);
    kv_extend(&c.kv, &b, 41);
    put(&c.kv, &b, 40, 1000);
    for (int64_t p = 0; p < 50; p++)
        expect(&c.kv, &a, p, (float)p);
    expect(&c.kv, &b, 39, 39);
    expect(&c.kv, &b, 40, 1000);
    kv_table_free(&c.kv, &a);
    expect(&c.kv, &b, 3, 3);   /* still referenced */
    assert_int_equal(c.kv.n_free, 6);
    kv_table_free(&c.kv, &b);
    assert_int_equal(c.kv.n_free, 8);
    cache_free(&c);
}

static void test_forks_copy_on_write(void **state)
{
    (void)state;
    cache c = cache_new(8);
    kv_table a = {0}, b = {0};
    kv_extend(&c.kv, &a, KV_BLOCK + 3);
    for (int64_t p = 0; p < a.length; p++)
        put(&c.kv, &a, p, (float)p);
    kv_fork(&c.kv, &b, &a);
    assert_int_equal(c.kv.n_free, 6);
    kv_extend(&c.kv, &a, a.length + 1);
    put(&c.kv, &a, a.length - 1, 100);
    assert_true(a.block[1] != b.block[1]);
    assert_int_equal(a.block[0], b.block[0]);
    int mine = b.block[1];
    kv_extend(&c.kv, &b, b.length + 1);   /* alone by now: written in place */
    assert_int_equal(b.block[1], mine);
    put(&c.kv, &b, b.length - 1, 200);
    expect(&c.kv, &a, a.length - 1, 100);
    expect(&c.kv, &a, a.length - 2, (float)(a.length - 2));
    expect(&c.kv, &b, b.length - 2, (float)(b.length - 2));
    /* at a block's end nothing is copied: the next position lies in a new one */
    kv_extend(&c.kv, &a, 2 * KV_BLOCK);
    kv_table d = {0};
    kv_fork(&c.kv, &d, &a);
    int64_t left = c.kv.n_free;
    kv_extend(&c.kv, &d, d.length + 1);
    assert_int_equal(c.kv.n_free, left - 1);
    assert_int_equal(d.block[1], a.block[1]);
    kv_table_free(&c.kv, &a);
    kv_table_free(&c.kv, &b);
    kv_table_free(&c.kv, &d);
    assert_int_equal(c.kv.n_free, 8);
    cache_free(&c);
}

static void test_copy_into_another_cache(void **state)
{
    (void)state;
    cache c = cache_new(8), other = cache_new(8);
    kv_table a = {0}, b = {0};
    kv_extend(&c.kv, &a, KV_BLOCK + 3);
    for (int64_t p = 0; p < a.length; p++)
        put(&c.kv, &a, p, (float)p);
    kv_copy(&other.kv, &b, &c.kv, &a);
    kv_table_free(&c.kv, &a);
    cache_free(&c);
    assert_int_equal(b.length, KV_BLOCK + 3);
    for (int64_t p = 0; p < b.length; p++)
        expect(&other.kv, &b, p, (float)p);
    kv_table_free(&other.kv, &b);
    assert_int_equal(other.kv.n_free, 8);
    cache_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layout), cmocka_unit_test(test_share_copies_the_partial_block),
                                       cmocka_unit_test(test_forks_copy_on_write), cmocka_unit_test(test_copy_into_another_cache)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
