#include "models.h"

#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"

static char *folder;

static void write_model(checkpoint *c, const char *name)
{
    error err = {0};
    char *path = file_join(folder, name);
    c->config = json_pack("{s:s, s:[s], s:i, s:i, s:s}", "model_type", "mistral", "architectures", "MistralForCausalLM", "num_hidden_layers", 2, "vocab_size", 20,
                          "torch_dtype", "bfloat16");
    if (checkpoint_write(c, path, &(checkpoint_write_options){0}, &err) != 0)
        fail_msg("%s", err.text);
    checkpoint_free(c);
    free(path);
}

static char *read_text(const char *name)
{
    error err = {0};
    size_t n;
    char *path = file_join(folder, name), *text = file_read(path, 1 << 24, &n, &err);
    if (!text)
        fail_msg("%s", err.text);
    free(path);
    return text;
}

static const char TEXT[] = "models:\n- model: a\n  parameters: {weight: 0.5, density: 0.3}\n- model: b\n  parameters: {weight: 0.25}\n"
                           "merge_method: dare_ties\nbase_model: base\nmerganser: {seed: 3}\n";

static void written_recipe_makes_the_same_again(void **state)
{
    (void)state;
    error err = {0};
    char *path = file_join(folder, "merge.yml"), *out = file_join(folder, "out"), *again = file_join(folder, "again"), *written = file_join(folder, "out/recipe.yml");
    assert_int_equal(file_write(path, TEXT, strlen(TEXT), &err), 0);
    recipe *r = recipe_read(path, &err);
    assert_non_null(r);
    if (merge_to_folder(r, &(merge_output){.path = out, .replace = false}, NULL, &err) != 0)
        fail_msg("%s", err.text);
    recipe_free(r);
    /* paths are relative to the recipe's file: the written one is read where the first stood */
    char *text = read_text("out/recipe.yml");
    assert_int_equal(file_write(path, text, strlen(text), &err), 0);
    free(text);
    r = recipe_read(path, &err);
    assert_non_null(r);
    if (merge_to_folder(r, &(merge_output){.path = again, .replace = false}, NULL, &err) != 0)
        fail_msg("%s", err.text);
    checkpoint *a = checkpoint_open(out, &err), *b = checkpoint_open(again, &err);
    assert_same(a, b, "the written recipe");
    assert_string_equal(json_string_value(json_object_get(a->config, "torch_dtype")), "bfloat16");
    checkpoint_free(a);
    checkpoint_free(b);
    char *card = read_text("out/README.md");
    assert_non_null(strstr(card, "base_model:\n- \"a\"\n- \"b\"\n- \"base\"\n"));
    assert_non_null(strstr(card, "merge_method: dare_ties"));
    free(card);

    assert_int_equal(merge_to_folder(r, &(merge_output){.path = out, .replace = false}, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "exists already", "--force");
    assert_int_equal(merge_to_folder(r, &(merge_output){.path = out, .replace = true}, NULL, &err), 0);
    char *source = file_join(folder, "out/../b");
    assert_int_equal(merge_to_folder(r, &(merge_output){.path = source, .replace = true}, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "one of the sources", "elsewhere");
    free(source);
    /* nor a folder that a source lies in, be it the last one, nor one whose writing would begin by removing it, nor the recipe's */
    char *last = file_join(folder, "b"), *above = file_join(folder, "above"), *inner = file_join(above, "b"), *partial = file_partial(above), *own = file_join(out, "own.yml");
    assert_int_equal(file_make_folders(above, &err), 0);
    assert_int_equal(rename(last, inner), 0);
    free(r->models[1].path);
    r->models[1].path = memory_text("above/b");
    assert_int_equal(merge_to_folder(r, &(merge_output){.path = above, .replace = true}, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "replace the input", inner);
    assert_int_equal(rename(inner, last) || rmdir(above) || rename(last, partial), 0);
    free(r->models[1].path);
    r->models[1].path = memory_text("above.partial");
    assert_int_equal(merge_to_folder(r, &(merge_output){.path = above}, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "replace the input", partial);
    assert_int_equal(file_write(own, TEXT, strlen(TEXT), &err), 0);
    free(r->file);
    r->file = memory_text(own);
    for (int i = 0; i < 3; i++) {
        free(r->models[i].path);
        r->models[i].path = file_join(folder, i == 0 ? "a" : i == 1 ? "above.partial" : "base");
    }
    assert_int_equal(merge_to_folder(r, &(merge_output){.path = out, .replace = true}, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "replace the input", own);
    assert_int_equal(rename(partial, last), 0);
    free(last);
    free(above);
    free(inner);
    free(partial);
    free(own);
    recipe_free(r);
    free(written);
    free(again);
    free(out);
    free(path);
}

static void weights_that_are_not_finite(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *bad = tiny_model(3, DTYPE_BF16, 2, 20);
    set_element(find(bad, "model.layers.1.mlp.up_proj.weight"), 7, 1e39);
    write_model(bad, "bad");
    recipe *r = must_parse("models: [{model: bad, parameters: {weight: 1}}]\nmerge_method: linear\n");
    r->file = file_join(folder, "merge.yml");
    char *out = file_join(folder, "never");
    assert_int_equal(merge_to_folder(r, &(merge_output){.path = out, .replace = false}, NULL, &err), -1);
    assert_error(&err, ERROR_NOT_FINITE, "model.layers.1.mlp.up_proj.weight", "bad");
    assert_false(file_exists(out));
    recipe_free(r);
    /* finite sources, and a result that f16 cannot hold */
    r = must_parse("models: [{model: a, parameters: {weight: 1000000}}]\nmerge_method: linear\nparameters: {normalize: false}\nout_dtype: float16\n");
    r->file = file_join(folder, "merge.yml");
    assert_int_equal(merge_to_folder(r, &(merge_output){.path = out, .replace = false}, NULL, &err), -1);
    assert_error(&err, ERROR_NOT_FINITE, "the merge");
    assert_false(file_exists(out));
    recipe_free(r);
    free(out);
}

static int setup(void **state)
{
    (void)state;
    static char template[] = "/tmp/merganser-test-XXXXXX";
    static const char *const names[] = {"base", "a", "b"};
    progress_set_level(0);
    folder = mkdtemp(template);
    for (int i = 0; folder && i < 3; i++)
        write_model(tiny_model(i, DTYPE_BF16, 2, 20), names[i]);
    return folder ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    error err;
    return file_remove_tree(folder, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_recipe_makes_the_same_again), cmocka_unit_test(weights_that_are_not_finite)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
