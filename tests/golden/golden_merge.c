/* Merges of other architectures, of PyTorch's files and of adapters, DIR/merge/NAME.yml, against plain arithmetic in f64, DIR/merge/expected/NAME.safetensors. */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "merge/merge.h"

#define F64_NOISE 0x1p-48       /* of the tensor's largest value: what is left where terms cancel, in either program */
#define F32_TOLERANCE 0x1p-22   /* of the tensor's largest value: 4 units of its last place */

/* 16-bit floats as whole numbers in the order of their values. */
static int place(const tensor *t, int64_t i)
{
    uint16_t bits;
    memcpy(&bits, (const char *)t->data + 2 * i, 2);
    return bits & 0x8000 ? -(bits & 0x7fff) : bits;
}

static float value(const tensor *t, int64_t i)
{
    float x;
    dtype_to_f32(t->dtype, (const char *)t->data + (size_t)i * dtype_size(t->dtype), &x, 1);
    return x;
}

/* The first element that is not near enough, -1 where all are: rounded once from sums that are nearly exact, a 16-bit number may be one place off, once in a thousand. */
static int64_t first_off(const tensor *ours, const tensor *theirs)
{
    int64_t n = tensor_count(ours), off = 0;
    float largest = 0;
    if (!dtype_is_float(ours->dtype))
        return memcmp(ours->data, theirs->data, tensor_bytes(ours)) == 0 ? -1 : 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(value(theirs, i)));
    for (int64_t i = 0; i < n; i++) {
        if (ours->dtype == DTYPE_F32 && !(fabs((double)value(ours, i) - value(theirs, i)) <= F32_TOLERANCE * largest))
            return i;
        int distance = ours->dtype == DTYPE_F32 ? 0 : abs(place(ours, i) - place(theirs, i));
        if (fabs((double)value(ours, i) - value(theirs, i)) <= F64_NOISE * largest)
            distance = 0;
        off += distance > 0;
        if (distance > 1 || off > (n + 999) / 1000)
            return i;
    }
    return -1;
}

static bool same_tensor(const char *name, const checkpoint_item *item, const tensor *theirs)
{
    const tensor *ours = &item->tensor;
    char a[128], b[128];
    if (!theirs || ours->dtype != theirs->dtype || !tensor_same_shape(ours, theirs)) {
        golden_mismatch(name, "%s: %s %s, expected %s %s", item->name, dtype_name(ours->dtype), tensor_shape_text(ours, a),
                        theirs ? dtype_name(theirs->dtype) : "none", theirs ? tensor_shape_text(theirs, b) : "");
        return false;
    }
    int64_t i = first_off(ours, theirs);
    if (i < 0)
        return true;
    if (dtype_is_float(ours->dtype))
        golden_mismatch(name, "%s [%lld]: %.9g, expected %.9g (%s)", item->name, (long long)i, value(ours, i), value(theirs, i),
                        ours->dtype == DTYPE_F32 ? "within 2^-22 of the largest" : "at most one place off, once in 1000");
    else
        golden_mismatch(name, "%s: other bytes than expected", item->name);
    return false;
}

static void compare(const char *name, const checkpoint *ours, const checkpoint *theirs, int *passed, int *failed)
{
    for (size_t i = 0; i < ours->count; i++)
        ++*(same_tensor(name, &ours->items[i], checkpoint_find(theirs, ours->items[i].name)) ? passed : failed);
    for (size_t i = 0; i < theirs->count; i++)
        if (!checkpoint_find(ours, theirs->items[i].name)) {
            golden_mismatch(name, "%s is missing", theirs->items[i].name);
            ++*failed;
        }
}

static void run_recipe(const golden_context *c, const char *root, const char *name)
{
    error err = {0};
    int passed = 0, failed = 0;
    const char *bare = file_name(name);
    char *path = memory_print("%s/%s.yml", root, bare), *wanted = memory_print("%s/expected/%s.safetensors", root, bare);
    recipe *r = recipe_read(path, &err);
    checkpoint *ours = r ? merge_in_memory(r, NULL, &err) : NULL, *theirs = ours ? checkpoint_open(wanted, &err) : NULL;
    if (theirs)
        compare(name, ours, theirs, &passed, &failed);
    else
        golden_mismatch(name, "%s", err.text);
    golden_report(c, name, passed, theirs ? failed : 1, 0);
    checkpoint_free(theirs);
    checkpoint_free(ours);
    recipe_free(r);
    free(wanted);
    free(path);
}

void golden_merge(const golden_context *c)
{
    char *root = file_join(c->root, "merge");
    struct dirent **entries;
    int n = scandir(root, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (text_ends_with(entries[i]->d_name, ".yml")) {
            char *name = memory_print("merge/%.*s", (int)strlen(entries[i]->d_name) - 4, entries[i]->d_name);
            if (golden_wanted(c, name))
                run_recipe(c, root, name);
            free(name);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    free(root);
}
