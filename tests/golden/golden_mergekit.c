/* mergekit's own merges, DIR/mergekit/{recipes,sources,expected}: every recipe in compat mode with the seed they were made with. */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "merge/merge.h"
#include "merge/method.h"

#define SEED 42
#define F32_TOLERANCE 5e-7   /* of the tensor's largest value: orders of summation, sin, cos, acos differ between libraries */

/* How a recipe's tensors may differ from mergekit's. */
struct bounds {
    int64_t one_off;         /* so many 16-bit results may be one place off */
    int64_t other_side;      /* so many f32 results may take the other side of a mask that hangs on noise */
};

/* slerp computes in f32 whatever the dtype, as dtype: float32 does; arcee_fusion's scores are differences of nearly equal f32 numbers. */
static struct bounds bounds_of(const recipe *r, int64_t n)
{
    bool f32 = strcmp(r->method, "slerp") == 0 || r->dtype == DTYPE_F32;
    return (struct bounds){.one_off = f32 ? (n + 999) / 1000 : 0, .other_side = strcmp(r->method, "arcee_fusion") == 0 ? (n + 499) / 500 : 0};
}

struct counts { int passed, failed; };

static void check(struct counts *n, bool good)
{
    if (good)
        n->passed++;
    else
        n->failed++;
}

/* 16-bit floats as whole numbers in the order of their values. */
static int place(uint16_t bits)
{
    return bits & 0x8000 ? -(bits & 0x7fff) : bits;
}

static bool same_16(const char *name, const char *tensor_name, const tensor *ours, const tensor *theirs, struct bounds *bounds)
{
    int64_t n = tensor_count(ours);
    for (int64_t i = 0; i < n; i++) {
        uint16_t a, b;
        memcpy(&a, (const char *)ours->data + 2 * i, 2);
        memcpy(&b, (const char *)theirs->data + 2 * i, 2);
        int distance = abs(place(a) - place(b));
        if (distance > 1 || (distance == 1 && bounds->one_off-- <= 0)) {
            golden_mismatch(name, "%s [%lld]: bits %04x, expected %04x%s", tensor_name, (long long)i, a, b,
                            distance == 1 ? "; no more may be one place off" : "");
            return false;
        }
    }
    return true;
}

static bool same_32(const char *name, const char *tensor_name, const tensor *ours, const tensor *theirs, struct bounds *bounds)
{
    int64_t n = tensor_count(ours);
    float a, b, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        memcpy(&b, (const char *)theirs->data + 4 * i, 4);
        largest = fmaxf(largest, fabsf(b));
    }
    for (int64_t i = 0; i < n; i++) {
        memcpy(&a, (const char *)ours->data + 4 * i, 4);
        memcpy(&b, (const char *)theirs->data + 4 * i, 4);
        if (!(fabs((double)a - b) <= F32_TOLERANCE * largest) && bounds->other_side-- <= 0) {
            golden_mismatch(name, "%s [%lld]: %.9g, expected %.9g (within %g)", tensor_name, (long long)i, a, b, F32_TOLERANCE * largest);
            return false;
        }
    }
    return true;
}

static bool same_tensor(const char *name, const char *tensor_name, const tensor *ours, const tensor *theirs, struct bounds *bounds)
{
    char a[128], b[128];
    if (!theirs || ours->dtype != theirs->dtype || !tensor_same_shape(ours, theirs)) {
        golden_mismatch(name, "%s: %s %s, expected %s %s", tensor_name, dtype_name(ours->dtype), tensor_shape_text(ours, a),
                        theirs ? dtype_name(theirs->dtype) : "none", theirs ? tensor_shape_text(theirs, b) : "");
        return false;
    }
    return dtype_size(ours->dtype) == 2 ? same_16(name, tensor_name, ours, theirs, bounds)
                                         : same_32(name, tensor_name, ours, theirs, bounds);
}

/* wide: stored as f32 whatever it is computed in. mergekit's config.json names what it is computed in; here it names what is stored. */
static bool same_config(const char *name, const checkpoint *merged, const json_t *theirs, bool any_source, bool wide)
{
    static const char *const keys[] = {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size",
                                       "tie_word_embeddings"};
    error err;
    bool same = true;
    json_t *ours = checkpoint_config(merged, &err);
    for (size_t i = 0; ours && i < sizeof keys / sizeof *keys; i++)
        if (!json_equal(json_object_get(ours, keys[i]), json_object_get(theirs, keys[i]))) {
            golden_mismatch(name, "config.json: %s is %lld, expected %lld", keys[i], json_integer_value(json_object_get(ours, keys[i])),
                            json_integer_value(json_object_get(theirs, keys[i])));
            same = false;
        }
    const char *a = json_string_value(json_object_get(ours, json_object_get(ours, "dtype") ? "dtype" : "torch_dtype"));
    const char *b = json_string_value(json_object_get(theirs, "dtype"));
    if (!any_source && (!a || !b || strcmp(a, wide ? "float32" : b) != 0)) {
        golden_mismatch(name, "config.json: dtype is %s, expected %s", a ? a : "missing", wide ? "float32" : b ? b : "missing");
        same = false;
    }
    same &= ours != NULL;
    json_decref(ours);
    return same;
}

/* The expected tensors: with stable sorts where mergekit's own sort decided between equal values. */
static checkpoint *open_expected(const char *folder, error *err)
{
    char *stable = file_join(folder, "model-stable.safetensors"), *plain = file_join(folder, "model.safetensors");
    checkpoint *c = checkpoint_open(file_exists(stable) ? stable : plain, err);
    free(plain);
    free(stable);
    return c;
}

static bool mixed(checkpoint *const *models, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (models[i]->items[0].tensor.dtype != models[0]->items[0].tensor.dtype)
            return true;
    return false;
}

static void compare(const char *name, const recipe *r, checkpoint *const *models, const checkpoint *merged, const checkpoint *expected, struct counts *n)
{
    /* karcher's steps hang on sin, cos and acos: one scalar that rounds the other way moves a whole tensor, so its values are counted
     * over all tensors. */
    int64_t all = 0;
    for (size_t i = 0; i < merged->count && strcmp(r->method, "karcher") == 0; i++)
        all += tensor_count(&merged->items[i].tensor);
    struct bounds together = {.one_off = (all + 999) / 1000};
    for (size_t i = 0; i < merged->count; i++) {
        struct bounds own = bounds_of(r, tensor_count(&merged->items[i].tensor));
        const char *tensor_name = merged->items[i].name;
        check(n, same_tensor(name, tensor_name, &merged->items[i].tensor, checkpoint_find(expected, tensor_name), all ? &together : &own));
    }
    for (size_t i = 0; i < expected->count; i++)
        if (!checkpoint_find(merged, expected->items[i].name)) {
            golden_mismatch(name, "%s is missing", expected->items[i].name);
            n->failed++;
        }
    if (expected->config)
        check(n, same_config(name, merged, expected->config, r->base < 0 && mixed(models, r->n_models), method_find(r->method)->wide && r->out_dtype < 0));
}

static int merge(const char *root, const recipe *r, checkpoint **models, checkpoint **out, error *err)
{
    for (size_t i = 0; i < r->n_models; i++) {
        char *folder = file_join(root, r->models[i].path);
        models[i] = checkpoint_open(folder, err);
        free(folder);
        if (!models[i])
            return -1;
    }
    merger *m = merge_prepare(r, models, NULL, err);
    *out = m ? merge_allocate(m, err) : NULL;
    int status = *out ? merge_run(m, r, *out, err) : -1;
    merge_free(m);
    return status;
}

static void run_recipe(const golden_context *c, const char *root, const char *file, const char *name)
{
    error err = {0};
    struct counts n = {0};
    char *path = memory_print("%s/recipes/%s", root, file), *folder = memory_print("%s/expected/%s", root, name + strlen("mergekit/"));
    recipe *r = recipe_read(path, &err);
    checkpoint *merged = NULL, *expected = NULL, **models = memory_new(r ? r->n_models : 0, sizeof *models);
    int status = -1;
    if (r) {
        r->mode = MERGE_COMPAT;
        r->mask = MERGE_MASK_MT19937;
        r->seed = SEED;
        status = merge(root, r, models, &merged, &err);
    }
    bool unsupported = status != 0 && err.code == ERROR_UNSUPPORTED;
    if (!file_is_folder(folder)) {
        if (status == 0 || unsupported)
            golden_mismatch(name, "%s", status == 0 ? "mergekit refuses this merge, and it was made" : err.text);
        check(&n, status != 0 && !unsupported);
    } else if (status != 0) {
        n.failed += !unsupported;
        if (!unsupported)
            golden_mismatch(name, "%s", err.text);
    } else if (!(expected = open_expected(folder, &err))) {
        golden_mismatch(name, "%s", err.text);
        n.failed++;
    } else {
        compare(name, r, models, merged, expected, &n);
    }
    golden_report(c, name, n.passed, n.failed, unsupported && file_is_folder(folder));
    for (size_t i = 0; r && i < r->n_models; i++)
        checkpoint_free(models[i]);
    free(models);
    checkpoint_free(expected);
    checkpoint_free(merged);
    recipe_free(r);
    free(folder);
    free(path);
}

void golden_mergekit(const golden_context *c)
{
    char *root = file_join(c->root, "mergekit"), *recipes = file_join(root, "recipes");
    struct dirent **entries;
    int n = scandir(recipes, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *name = memory_print("mergekit/%s", entries[i]->d_name);
        size_t length = strlen(name);
        if (length > strlen("mergekit/.yml") && strcmp(name + length - 4, ".yml") == 0) {
            name[length - 4] = '\0';
            if (golden_wanted(c, name))
                run_recipe(c, root, entries[i]->d_name, name);
        }
        free(name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    free(recipes);
    free(root);
}
