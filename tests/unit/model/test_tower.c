/* A vision tower under the names of all who write one: the same tower. */
#include "../base/check.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "model/tower.h"

#define MODEL "tests/goldens/golden/engine/llava_next/model"

typedef struct renaming { const char *from, *to; } renaming;

static checkpoint *open_renamed(const renaming *names, size_t n)
{
    error err = {0};
    checkpoint *c = checkpoint_open(MODEL, &err);
    if (!c)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < n; k++) {
            const size_t length = strlen(names[k].from);
            if (strncmp(c->items[i].name, names[k].from, length) == 0) {
                char *name = memory_print("%s%s", names[k].to, c->items[i].name + length);
                free(c->items[i].name);
                c->items[i].name = name;
                break;
            }
        }
    assert_int_equal(checkpoint_sort(c, &err), 0);
    return c;
}

static void digest_of(const checkpoint *c, char hex[65])
{
    error err = {0};
    tower *t = tower_build(c, &err);
    if (!t)
        fail_msg("%s", err.text);
    assert_int_equal(t->width, 32);
    assert_non_null(t->newline.source);
    tower_digest(t, hex);
    tower_free(t);
}

static void test_names(void **state)
{
    (void)state;
    static const renaming now[] = {{"language_model.model.", "model.language_model."}, {"language_model.lm_head.", "lm_head."},
                                   {"vision_tower.vision_model.", "model.vision_tower."}, {"multi_modal_projector.", "model.multi_modal_projector."},
                                   {"image_newline", "model.image_newline"}};
    static const renaming authors[] = {{"language_model.", ""}, {"vision_tower.", "model.vision_tower.vision_tower."}, {"multi_modal_projector.linear_1.", "model.mm_projector.0."},
                                       {"multi_modal_projector.linear_2.", "model.mm_projector.2."}, {"image_newline", "model.image_newline"}};
    static const struct { const renaming *list; size_t n; } spellings[] = {{now, 5}, {authors, 5}};
    char usual[65], other[65];
    error err = {0};
    checkpoint *c = open_renamed(NULL, 0);
    digest_of(c, usual);
    checkpoint_free(c);
    for (size_t i = 0; i < 2; i++) {
        c = open_renamed(spellings[i].list, spellings[i].n);
        digest_of(c, other);
        assert_string_equal(other, usual);
        plan *p = plan_build(c, &err);      /* and its language part */
        if (!p)
            fail_msg("%s", err.text);
        plan_free(p);
        checkpoint_free(c);
    }
}

/* The config.json of LLaVA's authors, whose tower is a folder of its own. */
static json_t *authors_config(const char *folder)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:i}", "model_type", "llava_mistral", "hidden_size", 32, "num_hidden_layers", 3, "num_attention_heads", 4,
                     "num_key_value_heads", 2, "intermediate_size", 64, "vocab_size", 100, "mm_vision_tower", folder, "mm_vision_select_layer", -2);
}

static void test_own_folder(void **state)
{
    (void)state;
    static const renaming names[] = {{"language_model.", ""}, {"vision_tower.", "gone."}, {"multi_modal_projector.linear_1.", "model.mm_projector.0."},
                                     {"multi_modal_projector.linear_2.", "model.mm_projector.2."}, {"image_newline", "model.image_newline"}};
    char usual[65], other[65];
    error err = {0};
    checkpoint *c = open_renamed(NULL, 0);
    digest_of(c, usual);
    checkpoint_free(c);
    c = open_renamed(names, 5);
    for (size_t i = 0; i < c->count; i++)      /* so that nothing ends as the tower's names do */
        if (strstr(c->items[i].name, "class_embedding"))
            c->items[i].name[strlen(c->items[i].name) - 1] = '_';
    json_decref(c->config);
    c->config = authors_config(SOURCE_DIR "/" MODEL);
    digest_of(c, other);
    assert_string_equal(other, usual);
    json_decref(c->config);
    c->config = authors_config("somebody/clip-that-is-not-here");
    assert_null(tower_build(c, &err));
    assert_error(&err, ERROR_IO, "somebody/clip-that-is-not-here", "Hugging Face cache", "mm_vision_tower");
    checkpoint_free(c);
}

static void refused(const char *tensor_name, const char *renamed, int64_t rows, const char *part)
{
    error err = {0};
    checkpoint *c = open_renamed(&(renaming){tensor_name, renamed ? renamed : tensor_name}, 1);
    const checkpoint_item *item = checkpoint_find_item(c, tensor_name);
    if (rows)
        ((checkpoint_item *)item)->tensor.shape[0] = rows;
    assert_null(tower_build(c, &err));
    assert_error(&err, ERROR_FORMAT, "model", part, part);
    checkpoint_free(c);
}

static void test_refuses(void **state)
{
    (void)state;
    error err = {0};
    refused("vision_tower.vision_model.embeddings.class_embedding", "x", 0, "has no vision tower");
    refused("vision_tower.vision_model.encoder.layers.1.mlp.fc2.bias", "x", 0, "layers.1.mlp.fc2.bias' is missing");
    refused("vision_tower.vision_model.embeddings.patch_embedding.weight", NULL, 31, "[31, 3, 14, 14]");
    refused("vision_tower.vision_model.embeddings.position_embedding.weight", NULL, 16, "implies [17, 32]");
    refused("multi_modal_projector.linear_1.weight", "x", 0, "has no projector");
    refused("multi_modal_projector.linear_2.bias", NULL, 30, "implies [32]");
    refused("image_newline", NULL, 31, "image_newline");
    checkpoint *c = checkpoint_open("tests/goldens/golden/engine/mistral/model", &err);
    assert_null(tower_build(c, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "model", "reads text only", "config.json");
    checkpoint_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_own_folder),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
