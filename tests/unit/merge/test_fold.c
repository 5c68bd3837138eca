/* What a folded path holds, tensor by tensor, and which paths no single config can say. */
#include "../model/tiny.h"

#include "base/progress.h"
#include "merge/fold.h"

static const char DOWN[] = "model.layers.%d.mlp.down_proj.%s";

static layer_path *path_of(size_t sources, size_t n, const path_hop *hops)
{
    static const char *const names[] = {"one", "two", "three"};
    layer_path *p = path_new();
    for (size_t i = 0; i < sources; i++)
        path_add_source(p, names[i], names[i]);
    for (size_t i = 0; i < n; i++)
        path_add_hop(p, hops[i].source, hops[i].layer, hops[i].scale);
    return p;
}

static checkpoint *must_fold(checkpoint *const *sources, const layer_path *p, int dtype)
{
    error err = {0};
    checkpoint *c = fold_path(sources, p, &(fold_options){.dtype = dtype}, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_true(fold_possible(sources, p, &err));
    return c;
}

static const tensor *must_find(const checkpoint *c, const char *name)
{
    const tensor *t = checkpoint_find(c, name);
    if (!t)
        fail_msg("'%s' is missing", name);
    return t;
}

/* `name` in `c` is `from` of `source` times `scale`: a product in f32, rounded once. */
static void assert_scaled(const checkpoint *c, const char *name, const checkpoint *source, const char *from, float scale)
{
    const tensor *t = must_find(c, name), *s = must_find(source, from);
    assert_true(tensor_same_shape(t, s));
    size_t n = (size_t)tensor_count(t);
    float *wanted = memory_new(n, sizeof *wanted);
    char *bytes = memory_new(n, dtype_size(t->dtype));
    dtype_to_f32(s->dtype, s->data, wanted, n);
    for (size_t i = 0; i < n; i++)
        wanted[i] *= scale;
    dtype_from_f32(t->dtype, wanted, bytes, n);
    if (memcmp(bytes, t->data, tensor_bytes(t)) != 0)
        fail_msg("'%s' is not '%s' times %g", name, from, (double)scale);
    free(bytes);
    free(wanted);
}

/* Layer `hop` of c is layer `layer` of `source`, its last matrix and that one's bias times `scale`, and nothing else. */
static void assert_layer(const checkpoint *c, int hop, const checkpoint *source, int layer, float scale)
{
    char start[32], name[160], down[160];
    snprintf(start, sizeof start, "model.layers.%d.", layer);
    size_t n = strlen(start), count = 0, there = 0;
    for (size_t i = 0; i < source->count; i++) {
        const char *from = source->items[i].name;
        if (strncmp(from, start, n) != 0)
            continue;
        snprintf(name, sizeof name, "model.layers.%d.%s", hop, from + n);
        snprintf(down, sizeof down, DOWN, hop, strstr(from, "bias") ? "bias" : "weight");
        assert_scaled(c, name, source, from, strcmp(name, down) == 0 ? scale : 1);
        count++;
    }
    snprintf(start, sizeof start, "model.layers.%d.", hop);
    for (size_t i = 0; i < c->count; i++)
        there += strncmp(c->items[i].name, start, strlen(start)) == 0;
    assert_int_equal(there, count);
}

static void scales_go_into_the_hop_before(void **state)
{
    (void)state;
    checkpoint *models[] = {tiny_checkpoint((tiny){.type = "llama", .biases = true, .wide = true, .seed = 1}),
                            tiny_checkpoint((tiny){.type = "llama", .biases = true, .wide = true, .seed = 2})};
    static const path_hop hops[] = {{0, 0, 1.1}, {1, 1, 0.7}, {1, 1, -2}, {0, 1, 0}, {0, 0, 1}};
    layer_path *p = path_of(2, 5, hops);
    checkpoint *c = must_fold(models, p, -1);
    assert_layer(c, 0, models[0], 0, 0.7f);
    assert_layer(c, 1, models[1], 1, -2);
    assert_layer(c, 2, models[1], 1, 0);
    assert_layer(c, 3, models[0], 1, 1);
    assert_layer(c, 4, models[0], 0, 1);
    assert_scaled(c, "model.embed_tokens.weight", models[0], "model.embed_tokens.weight", 1.1f);
    assert_scaled(c, "model.norm.weight", models[0], "model.norm.weight", 1);
    assert_scaled(c, "lm_head.weight", models[0], "lm_head.weight", 1);
    assert_int_equal(json_integer_value(json_object_get(c->config, "num_hidden_layers")), 5);
    assert_string_equal(json_string_value(json_object_get(c->config, "dtype")), "float32");

    /* the same bytes from three threads */
    error err = {0};
    threads *pool = threads_new(3);
    checkpoint *again = fold_path(models, p, &(fold_options){.dtype = -1, .pool = pool}, &err);
    assert_non_null(again);
    assert_int_equal(buffer_size(c->buffers[0]), buffer_size(again->buffers[0]));
    assert_memory_equal(buffer_bytes(c->buffers[0]), buffer_bytes(again->buffers[0]), buffer_size(c->buffers[0]));
    checkpoint_free(again);
    threads_free(pool);
    checkpoint_free(c);
    path_free(p);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
}

static void types(void **state)
{
    (void)state;
    checkpoint *models[] = {tiny_checkpoint((tiny){.seed = 1}), tiny_checkpoint((tiny){.wide = true, .seed = 2})};
    static const path_hop hops[] = {{0, 0, 1}, {0, 1, 0.3}, {1, 1, 0.9}};
    layer_path *p = path_of(2, 3, hops);
    checkpoint *own = must_fold(models, p, -1), *wide = must_fold(models, p, DTYPE_F32), *narrow = must_fold(models, p, DTYPE_F16);
    assert_int_equal(must_find(own, "model.layers.0.mlp.down_proj.weight")->dtype, DTYPE_BF16);
    assert_int_equal(must_find(own, "model.layers.2.mlp.down_proj.weight")->dtype, DTYPE_F32);
    checkpoint *const all[] = {own, wide, narrow};
    for (int k = 0; k < 3; k++) {
        assert_layer(all[k], 0, models[0], 0, 0.3f);
        assert_layer(all[k], 1, models[0], 1, 0.9f);
        assert_layer(all[k], 2, models[1], 1, 1);
        for (size_t i = 0; k && i < all[k]->count; i++)
            assert_int_equal(all[k]->items[i].tensor.dtype, k == 1 ? DTYPE_F32 : DTYPE_F16);
        checkpoint_free(all[k]);
    }
    path_free(p);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
}

/* A copy with `prefix` before every name and the config in text_config where there is one, and with further tensors of the shape [3]. */
static checkpoint *remade(checkpoint *c, const char *prefix, const char *const *more, size_t n_more)
{
    error err = {0};
    size_t n = c->count + n_more;
    checkpoint_item *items = memory_new(n, sizeof *items);
    for (size_t i = 0; i < c->count; i++)
        items[i] = (checkpoint_item){memory_print("%s%s", prefix, c->items[i].name), c->items[i].tensor};
    for (size_t i = 0; i < n_more; i++)
        items[c->count + i] = (checkpoint_item){memory_text(more[i]), {.dtype = DTYPE_F32, .rank = 1, .shape = {3}}};
    json_t *config = prefix[0] ? json_pack("{s:s, s:O}", "model_type", "llava", "text_config", c->config) : json_incref(c->config);
    checkpoint *made = checkpoint_new("remade", NULL, config, items, n, &err);
    if (!made)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        tensor *t = (tensor *)must_find(made, items[i].name);
        if (i < c->count)
            memcpy(t->data, c->items[i].tensor.data, tensor_bytes(t));
        else
            memcpy(t->data, (float[]){1, 2, (float)i}, tensor_bytes(t));
        free(items[i].name);
    }
    free(items);
    json_decref(config);
    checkpoint_free(c);
    return made;
}

static bool is_tied(const checkpoint *c)
{
    return json_is_true(json_object_get(c->config, "tie_word_embeddings"));
}

static void tied_embeddings(void **state)
{
    (void)state;
    static const char *const head[] = {"lm_head.weight"};
    checkpoint *models[] = {tiny_checkpoint((tiny){.tied = true, .seed = 1})};
    layer_path *scaled = path_of(1, 1, (path_hop[]){{0, 1, 0.5}}), *plain = path_of(1, 1, (path_hop[]){{0, 1, 1}});
    checkpoint *c = must_fold(models, scaled, -1);
    assert_scaled(c, "model.embed_tokens.weight", models[0], "model.embed_tokens.weight", 0.5f);
    assert_scaled(c, "lm_head.weight", models[0], "model.embed_tokens.weight", 1);
    assert_false(is_tied(c));
    checkpoint_free(c);
    c = must_fold(models, plain, -1);
    assert_null(checkpoint_find(c, "lm_head.weight"));
    assert_true(is_tied(c));
    checkpoint_free(c);
    /* a head that is stored though it is tied is not read, so not carried either */
    models[0] = remade(models[0], "", head, 1);
    c = must_fold(models, plain, -1);
    assert_null(checkpoint_find(c, "lm_head.weight"));
    assert_true(is_tied(c));
    checkpoint_free(c);
    c = must_fold(models, scaled, -1);
    assert_scaled(c, "lm_head.weight", models[0], "model.embed_tokens.weight", 1);
    checkpoint_free(c);
    path_free(plain);
    path_free(scaled);
    checkpoint_free(models[0]);
}

static void other_tensors_and_nested_models(void **state)
{
    (void)state;
    static const char *const extra[] = {"model.layers.1.self_attn.rotary_emb.inv_freq", "model.layers.1.self_attn.note", "model.layers.10.other", "elsewhere"};
    static const char *const vision[] = {"vision_tower.layers.0.weight", "language_model.model.layers.0.note"};
    checkpoint *models[] = {remade(tiny_checkpoint((tiny){.tied = true, .seed = 1}), "language_model.", vision, 2), remade(tiny_checkpoint((tiny){.seed = 2}), "", extra, 4)};
    layer_path *p = path_of(2, 2, (path_hop[]){{1, 1, 0.5}, {0, 0, 0.25}});
    checkpoint *c = must_fold(models, p, -1);
    assert_scaled(c, "language_model.model.layers.0.mlp.down_proj.weight", models[1], "model.layers.1.mlp.down_proj.weight", 0.25f);
    assert_scaled(c, "language_model.model.layers.0.self_attn.note", models[1], extra[1], 1);
    assert_null(checkpoint_find(c, "language_model.model.layers.0.self_attn.rotary_emb.inv_freq"));
    assert_scaled(c, "language_model.model.layers.1.note", models[0], vision[1], 1);
    assert_scaled(c, vision[0], models[0], vision[0], 1);
    assert_null(checkpoint_find(c, "elsewhere"));
    assert_scaled(c, "language_model.lm_head.weight", models[0], "language_model.model.embed_tokens.weight", 1);
    const json_t *text = json_object_get(c->config, "text_config");
    assert_int_equal(json_integer_value(json_object_get(text, "num_hidden_layers")), 2);
    assert_true(json_is_false(json_object_get(text, "tie_word_embeddings")));
    /* ends and 9 tensors a layer, one more in each */
    assert_int_equal(c->count, 3 + 1 + 2 * 10);
    checkpoint_free(c);
    path_free(p);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
}

#define BASIC ",\"sliding_window\":null,\"max_position_embeddings\":256"

static void configs_of_the_path(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *models[] = {tiny_checkpoint((tiny){.more = BASIC ",\"layer_types\":[\"full_attention\",\"sliding_attention\"]"}),
                            tiny_checkpoint((tiny){.layers = 3, .vocab = 50, .tied = true, .more = ",\"sliding_window\":null,\"max_position_embeddings\":128,"
                                                                                                  "\"layer_types\":[\"a\",\"b\",\"c\"]"}),
                            tiny_checkpoint((tiny){.more = BASIC})};
    layer_path *p = path_of(3, 3, (path_hop[]){{0, 1, 1}, {1, 2, 1}, {0, 0, 1}});
    checkpoint *c = must_fold(models, p, -1);
    char *types = json_dumps(json_object_get(c->config, "layer_types"), JSON_COMPACT);
    assert_string_equal(types, "[\"sliding_attention\",\"c\",\"full_attention\"]");
    free(types);
    assert_int_equal(json_integer_value(json_object_get(c->config, "max_position_embeddings")), 128);
    assert_int_equal(json_integer_value(json_object_get(c->config, "vocab_size")), 40);
    assert_false(is_tied(c));
    checkpoint_free(c);
    path_add_hop(p, 2, 0, 1);
    assert_false(fold_possible(models, p, &err));
    assert_error(&err, ERROR_FORMAT, "tiny", "layer_types", "layer 0");
    path_free(p);
    for (int i = 0; i < 3; i++)
        checkpoint_free(models[i]);
}

static void mixed_models(void **state)
{
    (void)state;
    static const struct { tiny model; const char *field; } cases[] = {
        {{.type = "llama"}, "model_type mistral / llama"},
        {{.intermediate = 40}, "intermediate_size 48 / 40"},
        {{.heads = 2}, "num_attention_heads 4 / 2"},
        {{.kv_heads = 4}, "num_key_value_heads 2 / 4"},
        {{.head_dim = 16}, "head_dim 8 / 16"},
        {{.more = BASIC ",\"rope_theta\":5e5"}, "rope_theta 10000 / 500000"},
        {{.more = BASIC ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"}, "rope_type default / linear"},
        {{.more = ",\"sliding_window\":64,\"max_position_embeddings\":256"}, "sliding_window none / 64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        checkpoint *models[] = {tiny_checkpoint((tiny){0}), tiny_checkpoint(cases[i].model)};
        free(models[1]->name);
        models[1]->name = memory_text("other");
        layer_path *p = path_of(2, 2, (path_hop[]){{0, 0, 1}, {1, 1, 1}});
        assert_false(fold_possible(models, p, &err));
        char *first = memory_print("config: %s; the path", cases[i].field);
        assert_error(&err, ERROR_UNSUPPORTED, "tiny and other", first);
        free(first);
        assert_null(fold_path(models, p, NULL, &err));
        /* a model that no hop uses does not matter */
        p->n_hops = 1;
        assert_true(fold_possible(models, p, &err));
        path_free(p);
        checkpoint_free(models[0]);
        checkpoint_free(models[1]);
    }
}

static void linear_scaling_has_no_original_positions(void **state)
{
    (void)state;
    checkpoint *models[] = {tiny_checkpoint((tiny){.more = BASIC ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"}),
                            tiny_checkpoint((tiny){.more = ",\"sliding_window\":null,\"max_position_embeddings\":512,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"})};
    layer_path *p = path_of(2, 2, (path_hop[]){{0, 0, 1}, {1, 1, 1}});
    checkpoint *c = must_fold(models, p, -1);
    assert_int_equal(json_integer_value(json_object_get(c->config, "max_position_embeddings")), 256);
    checkpoint_free(c);
    path_free(p);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
}

static void refuses(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *models[] = {tiny_checkpoint((tiny){.wide = true, .seed = 1}), tiny_checkpoint((tiny){.wide = true, .without = "model.layers.1.mlp.up_proj.weight"})};
    layer_path *p = path_of(2, 0, NULL);
    assert_null(fold_path(models, p, NULL, &err));
    assert_error(&err, ERROR_USAGE, "without hops");
    path_add_hop(p, 0, 2, 1);
    assert_null(fold_path(models, p, NULL, &err));
    assert_error(&err, ERROR_USAGE, "layer 2", "'one'");
    p->hops[0] = (path_hop){1, 1, 1};
    assert_false(fold_possible(models, p, &err));
    assert_error(&err, ERROR_FORMAT, "model.layers.1.mlp.up_proj.weight", "missing");
    /* a product that f16 cannot hold */
    p->hops[0] = (path_hop){0, 0, 1};
    path_add_hop(p, 0, 1, 1e6);
    assert_null(fold_path(models, p, &(fold_options){.dtype = DTYPE_F16}, &err));
    assert_error(&err, ERROR_NOT_FINITE, "model.layers.0.mlp.down_proj.weight");
    path_free(p);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
}

static checkpoint *golden(const char *name)
{
    error err = {0};
    char *path = memory_print(SOURCE_DIR "/tests/goldens/golden/engine/layer_path/%s", name);
    checkpoint *c = checkpoint_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    free(path);
    return c;
}

/* Made by torch: see the README beside it. */
static void golden_path(void **state)
{
    (void)state;
    checkpoint *models[] = {golden("model_a"), golden("model_b")}, *wanted = golden("folded");
    static const path_hop hops[] = {{0, 0, 1.1}, {0, 1, 0.9}, {1, 1, 1.25}, {0, 2, 0.7}, {1, 1, 1}, {1, 2, 0.85}, {0, 3, 1.3}};
    layer_path *p = path_of(2, 7, hops);
    checkpoint *c = must_fold(models, p, -1);
    assert_int_equal(c->count, wanted->count);
    for (size_t i = 0; i < c->count; i++) {
        const tensor *t = &c->items[i].tensor, *w = must_find(wanted, c->items[i].name);
        assert_true(tensor_same_shape(t, w) && t->dtype == w->dtype);
        if (memcmp(t->data, w->data, tensor_bytes(t)) != 0)
            fail_msg("'%s' differs", c->items[i].name);
    }
    checkpoint_free(c);
    path_free(p);
    checkpoint_free(wanted);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
}

static char *read_text(const char *folder, const char *name)
{
    error err = {0};
    size_t n;
    char *path = file_join(folder, name), *text = file_read(path, 1 << 20, &n, &err);
    if (!text)
        fail_msg("%s", err.text);
    free(path);
    return text;
}

static void written_with_what_it_was_made_of(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *source = file_join(folder, "source"), *out = file_join(folder, "out");
    checkpoint *made = tiny_checkpoint((tiny){.seed = 1});
    assert_int_equal(checkpoint_write(made, source, NULL, &err), 0);
    checkpoint_free(made);
    checkpoint *models[] = {checkpoint_open(source, &err)};
    layer_path *p = path_of(1, 3, (path_hop[]){{0, 0, 1}, {0, 1, 0.5}, {0, 1, 1}});
    checkpoint *c = must_fold(models, p, -1);
    assert_int_equal(fold_write(c, models, p, NULL, 0, source, true, &err), -1);
    assert_error(&err, ERROR_USAGE, "one of the sources");
    if (fold_write(c, models, p, NULL, 0, out, false, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(fold_write(c, models, p, NULL, 0, out, false, &err), -1);
    assert_error(&err, ERROR_USAGE, "exists already");

    char *yaml = path_yaml(p), *written = read_text(out, "path.yml"), *recipe = read_text(out, "recipe.yml"), *card = read_text(out, "README.md");
    assert_string_equal(written, yaml);
    assert_non_null(strstr(recipe, "out_dtype: bfloat16"));
    assert_non_null(strstr(card, recipe));
    assert_non_null(strstr(card, "one 0, one 1 x0.5, one 1"));
    checkpoint *again = checkpoint_open(out, &err);
    assert_int_equal(again->count, c->count);
    assert_int_equal(json_integer_value(json_object_get(again->config, "num_hidden_layers")), 3);
    checkpoint_free(again);
    free(card);
    free(recipe);
    free(written);
    free(yaml);
    checkpoint_free(c);
    path_free(p);
    checkpoint_free(models[0]);
    free(out);
    free(source);
    remove_folder(folder);
}

int main(void)
{
    progress_set_level(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_go_into_the_hop_before), cmocka_unit_test(types), cmocka_unit_test(tied_embeddings),
        cmocka_unit_test(other_tensors_and_nested_models), cmocka_unit_test(configs_of_the_path), cmocka_unit_test(mixed_models),
        cmocka_unit_test(linear_scaling_has_no_original_positions), cmocka_unit_test(refuses), cmocka_unit_test(golden_path),
        cmocka_unit_test(written_with_what_it_was_made_of)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
