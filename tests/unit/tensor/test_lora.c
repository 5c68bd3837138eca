#include "../base/check.h"

#include <math.h>

#include "base/random.h"
#include "tensor/lora.h"

enum { ROWS = 5, COLUMNS = 7, RANK = 3 };

static float numbers[4][64];
static uint16_t halves[64];

static void fill(void)
{
    random_stream s = random_stream_for(1, "lora", 0, 0);
    for (int m = 0; m < 4; m++)
        for (int i = 0; i < 64; i++)
            numbers[m][i] = (float)random_normal(&s);
    for (int i = 0; i < 64; i++) {
        halves[i] = bf16_from_f32(numbers[0][i]);
        numbers[0][i] = bf16_to_f32(halves[i]);
    }
}

static tensor matrix(void *data, enum dtype d, int64_t rows, int64_t columns)
{
    return (tensor){.data = data, .dtype = d, .rank = 2, .shape = {rows, columns}};
}

/* The sum as it is defined, rounded once: the maker agrees to the last bit, whatever rows are asked for. */
static void assert_product(bool transposed, bool dora)
{
    error err;
    lora w = {.base = matrix(halves, DTYPE_BF16, ROWS, COLUMNS), .rank = RANK, .transposed = transposed, .scale = 0.75, .dora = dora};
    w.a = transposed ? matrix(numbers[1], DTYPE_F32, RANK, ROWS) : matrix(numbers[1], DTYPE_F32, RANK, COLUMNS);
    w.b = transposed ? matrix(numbers[2], DTYPE_F32, COLUMNS, RANK) : matrix(numbers[2], DTYPE_F32, ROWS, RANK);
    w.magnitude = (tensor){.data = numbers[3], .dtype = DTYPE_F32, .rank = 1, .shape = {ROWS}};
    double wanted[ROWS][COLUMNS];
    for (int i = 0; i < ROWS; i++) {
        double squares = 0;
        for (int j = 0; j < COLUMNS; j++) {
            double sum = 0;
            for (int k = 0; k < RANK; k++)
                sum += transposed ? (double)numbers[1][k * ROWS + i] * numbers[2][j * RANK + k] : (double)numbers[2][i * RANK + k] * numbers[1][k * COLUMNS + j];
            wanted[i][j] = numbers[0][i * COLUMNS + j] + 0.75 * sum;
            squares += wanted[i][j] * wanted[i][j];
        }
        for (int j = 0; j < COLUMNS && dora; j++)
            wanted[i][j] *= numbers[3][i] / sqrt(squares);
    }
    tensor t = w.base;
    t.data = NULL;
    tensor_maker *m = lora_new(&t, &w);
    for (int first = 0; first < ROWS; first++) {
        uint16_t out[ROWS * COLUMNS];
        assert_int_equal(m->make(m, &t, first, ROWS - first, out, &err), 0);
        for (int i = first; i < ROWS; i++)
            for (int j = 0; j < COLUMNS; j++) {
                float x = bf16_to_f32(out[(i - first) * COLUMNS + j]);
                double half = fabs(nextafterf(x, INFINITY) - x) * 32768;   /* of a bf16 place */
                if (fabs(x - wanted[i][j]) > half)
                    fail_msg("[%d, %d] is %g, wanted %g", i, j, x, wanted[i][j]);
            }
    }
    m->free(m);
}

static void test_products(void **state)
{
    (void)state;
    assert_product(false, false);
    assert_product(true, false);
    assert_product(false, true);
}

/* 1 + 2^-8 lies half way between two bf16 numbers; what lies 2^-40 above is nearer to the upper one, though f32 cannot tell. */
static void test_one_rounding(void **state)
{
    (void)state;
    error err;
    uint16_t one = 0x3f80, out;
    float a = 1, b = 0x1p-8f + 0x1p-31f;
    lora w = {.base = matrix(&one, DTYPE_BF16, 1, 1), .a = matrix(&a, DTYPE_F32, 1, 1), .b = matrix(&b, DTYPE_F32, 1, 1), .rank = 1, .scale = 1};
    tensor t = w.base;
    t.data = NULL;
    tensor_maker *m = lora_new(&t, &w);
    assert_int_equal(m->make(m, &t, 0, 1, &out, &err), 0);
    assert_int_equal(out, 0x3f81);
    m->free(m);
}

static void test_cast_and_bias(void **state)
{
    (void)state;
    error err;
    float out[4];
    uint16_t small[4];
    lora w = {.base = (tensor){.data = numbers[1], .dtype = DTYPE_F32, .rank = 1, .shape = {4}}};
    tensor t = {.dtype = DTYPE_F16, .rank = 1, .shape = {4}};
    tensor_maker *m = lora_new(&t, &w);
    assert_int_equal(tensor_make(&t, NULL, small, &err), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(small[i], f16_from_f32(numbers[1][i]));
    m->free(m);
    w.a = (tensor){.data = numbers[2], .dtype = DTYPE_F32, .rank = 1, .shape = {4}};
    w.bias = true;
    w.rank = 1;
    w.scale = 2;
    t = (tensor){.dtype = DTYPE_F32, .rank = 1, .shape = {4}};
    m = lora_new(&t, &w);
    assert_int_equal(tensor_make(&t, NULL, out, &err), 0);
    for (int i = 0; i < 4; i++)
        assert_true(out[i] == (float)(numbers[1][i] + 2.0 * numbers[2][i]));
    m->free(m);
}

int main(void)
{
    fill();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products), cmocka_unit_test(test_one_rounding), cmocka_unit_test(test_cast_and_bias)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
