#include "../base/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/names.h"

static checkpoint *named(const char *const *names, size_t n)
{
    error err = {0};
    checkpoint_item items[16];
    for (size_t i = 0; i < n; i++)
        items[i] = (checkpoint_item){(char *)names[i], {.dtype = DTYPE_F32, .rank = 1, .shape = {strstr(names[i], "visi") ? 1 : 4}}};
    checkpoint *c = checkpoint_new("named", NULL, NULL, items, n, &err);
    assert_non_null(c);
    return c;
}

static void finds_the_layers(void **state)
{
    (void)state;
    static const struct { const char *names[4]; const char *main, *stem; int64_t layers; } cases[] = {
        {{"model.layers.0.a", "model.layers.11.b.0.c", "model.norm.weight", "lm_head.weight"}, "model.layers.", "model.", 12},
        {{"h.0.ln_1.weight", "h.1.ln_1.weight", "wte.weight", "ln_f.weight"}, "h.", "", 2},
        {{"language_model.model.layers.3.a", "vision_tower.encoder.layers.9.a", "multi_modal_projector.linear_1.weight", "x"}, "language_model.model.layers.",
         "language_model.model.", 4},
        {{"decoder.block.0.layer.1.a", "decoder.block.4.layer.0.a", "shared.weight", "y"}, "decoder.block.", "decoder.", 5},
        {{"down_blocks.0.resnets.0.conv1.weight", "down_blocks.1.attentions.0.proj", "mid_block.a", "conv_in.weight"}, NULL, "", 0},
        {{"layers.x.a", "layers.-1.b", "layers.1", "layers.99999999999999999999.a"}, NULL, "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint *c = named(cases[i].names, 4);
        tensor_names *n = names_read(c, NULL);
        const tensor_family *main = names_main(n);
        size_t stem;
        const char *prefix = names_stem(n, &stem);
        assert_int_equal(!main, !cases[i].main);
        if (main) {
            assert_string_equal(main->prefix, cases[i].main);
            assert_int_equal(main->layers, cases[i].layers);
        }
        assert_int_equal(stem, strlen(cases[i].stem));
        assert_memory_equal(prefix, cases[i].stem, stem);
        names_free(n);
        checkpoint_free(c);
    }
}

static void splits_names(void **state)
{
    (void)state;
    static const char *const list[] = {"model.layers.0.a", "model.layers.11.b.0.c", "visual.blocks.2.q", "lm_head.weight"};
    checkpoint *c = named(list, 4);
    tensor_names *n = names_read(c, NULL);
    int64_t layer;
    const char *rest;
    const tensor_family *families;
    assert_int_equal(names_families(n, &families), 2);
    assert_ptr_equal(names_layer(n, "model.layers.11.b.0.c", &layer, &rest), names_main(n));
    assert_int_equal(layer, 11);
    assert_string_equal(rest, "b.0.c");
    assert_non_null(names_layer(n, "visual.blocks.2.q", &layer, &rest));
    assert_null(names_layer(n, "lm_head.weight", &layer, &rest));
    names_free(n);
    n = names_read(c, "visual.blocks.");
    assert_string_equal(names_main(n)->prefix, "visual.blocks.");
    names_free(n);
    n = names_read(c, "no.such.");
    assert_null(names_main(n));
    names_free(n);
    checkpoint_free(c);
}

/* Names of one family need not follow one another. */
static void puts_families_together(void **state)
{
    (void)state;
    static const char *const list[] = {"a.layers.1.w", "a.layers.1x.blocks.0.w", "a.layers.2.w", "a.layers.b.blocks.3.w", "b.layers.0.w"};
    checkpoint *c = named(list, 5);
    tensor_names *n = names_read(c, NULL);
    int64_t layer;
    const char *rest;
    const tensor_family *families;
    assert_int_equal(names_families(n, &families), 4);
    assert_string_equal(families[0].prefix, "a.layers.");
    assert_int_equal(families[0].layers, 3);
    assert_int_equal(families[0].bytes, 32);
    assert_ptr_equal(names_layer(n, "a.layers.9.v", &layer, &rest), &families[0]);
    assert_ptr_equal(names_layer(n, "a.layers.b.blocks.4.v", &layer, &rest), &families[2]);
    assert_null(names_layer(n, "c.layers.0.w", &layer, &rest));
    names_free(n);
    checkpoint_free(c);
}

static void knows_vocabularies(void **state)
{
    (void)state;
    assert_true(names_is_vocabulary("model.embed_tokens.weight") && names_is_vocabulary("wte.weight") && names_is_vocabulary("language_model.lm_head.weight"));
    assert_true(!names_is_vocabulary("model.embed_positions.weight") && !names_is_head("wte.weight") && names_is_head("embed_out.weight"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_layers), cmocka_unit_test(splits_names), cmocka_unit_test(puts_families_together), cmocka_unit_test(knows_vocabularies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
