#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cmd/options.h"
#include "model/architecture.h"
#include "model/config.h"
#include "study/run.h"
#include "tensor/checkpoint.h"
#include "text/tokenizer.h"

static void print_config(const checkpoint *c)
{
    model_config m;
    error err = {0};
    if (!c->config)
        return;
    if (config_read(c->config, c->name, &m, &err) != 0) {
        printf("architecture: %s\n", err.text);
        return;
    }
    printf("architecture: %s, %" PRId64 " layers, hidden %" PRId64 ", %" PRId64 " heads of %" PRId64 " (%" PRId64 " for keys and values), MLP %" PRId64 ", vocabulary %" PRId64 "%s\n",
           m.type, m.layers, m.hidden, m.heads, m.head_dim, m.kv_heads, m.intermediate, m.vocab, m.tied ? ", tied embeddings" : "");
    printf("positions: %" PRId64 ", RoPE theta %g", m.max_positions, m.rope.theta);
    if (m.window)
        printf(", sliding window %" PRId64, m.window);
    putchar('\n');
}

static void print_tokenizer(const checkpoint *c)
{
    error err = {0};
    tokenizer *t = c->folder ? tokenizer_open(c->folder, &err) : NULL;
    if (t)
        printf("tokenizer: %" PRId32 " tokens\n", tokenizer_size(t));
    else
        printf("tokenizer: %s\n", c->folder ? err.text : "none");
    tokenizer_free(t);
}

static void print_json(const checkpoint *c)
{
    json_t *tensors = json_object();
    for (size_t i = 0; i < c->count; i++) {
        const tensor *t = &c->items[i].tensor;
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++)
            json_array_append_new(shape, json_integer(t->shape[d]));
        json_object_set_new(tensors, c->items[i].name, json_pack("{s:s, s:o, s:I}", "dtype", dtype_name(t->dtype), "shape", shape, "bytes", (json_int_t)tensor_bytes(t)));
    }
    json_t *object = json_pack("{s:s, s:I, s:o, s:O?}", "path", c->name, "bytes", (json_int_t)checkpoint_bytes(c), "tensors", tensors, "config", c->config);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
}

static int inspect_model(const char *path, bool json, bool all, error *err)
{
    checkpoint *c = checkpoint_open(path, err);
    if (!c)
        return -1;
    if (json) {
        print_json(c);
        checkpoint_free(c);
        return 0;
    }
    char size[32], shape[128];
    uint64_t parameters = 0;
    for (size_t i = 0; i < c->count; i++)
        parameters += (uint64_t)tensor_count(&c->items[i].tensor);
    printf("%s: %zu tensors, %.1f M parameters, %s\n", path, c->count, 1e-6 * (double)parameters, progress_bytes(size, (double)checkpoint_bytes(c)));
    print_config(c);
    print_tokenizer(c);
    size_t shown = all || c->count <= 24 ? c->count : 16;
    for (size_t i = 0; i < shown; i++) {
        const tensor *t = &c->items[i].tensor;
        printf("  %-56s %-5s %-16s %s\n", c->items[i].name, dtype_name(t->dtype), tensor_shape_text(t, shape), progress_bytes(size, (double)tensor_bytes(t)));
    }
    if (shown < c->count)
        printf("  and %zu more (--all lists them)\n", c->count - shown);
    int status = checkpoint_check(c, err);
    checkpoint_free(c);
    return status;
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    bool all = false;
    const option options[] = {{"all", 'a', OPTION_FLAG, &all, NULL, "list every tensor"}};
    const char *words[1];
    int stop = options_parse(self, options, 1, argc, argv, words, 1, 1, &common);
    if (stop)
        return stop - 1;
    error err = {0};
    size_t n = strlen(words[0]);
    bool is_study = n > 3 && strcmp(words[0] + n - 3, ".db") == 0;
    int status = is_study ? study_print_table(words[0], common.json, &err) : inspect_model(words[0], common.json, all, &err);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_inspect = {
    "inspect", "MODEL|FILE|STUDY.db", "Say what a model, a file or a study is: architecture, tokenizer, tensors; a study's standing.",
    "  merganser inspect miniature/models/ja\n", run,
};
