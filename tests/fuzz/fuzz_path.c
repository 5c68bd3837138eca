/* A path from anyone, written as one or as mergekit's slices. What is accepted is written both ways, read again, and must then say the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge/passthrough.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static layer_path *parse(const char *text, size_t n, error *err)
{
    yaml_value *root = yaml_parse(text, n, "fuzz", err);
    layer_path *p = root && passthrough_or_path(root) ? passthrough_or_path_read(root, NULL, NULL, err) : NULL;
    yaml_free(root);
    return p;
}

static void fail_on(const char *yaml, const char *what)
{
    fprintf(stderr, "%s\n%s\n", what, yaml);
    abort();
}

/* The same layers of the same models with the same scales; names and unused sources may differ. */
static void check_same(const layer_path *p, char *yaml)
{
    error err = {0};
    layer_path *again = parse(yaml, strlen(yaml), &err);
    if (!again)
        fail_on(yaml, err.text);
    bool same = again->n_hops == p->n_hops && strcmp(again->sources[0].model, p->sources[0].model) == 0;
    for (size_t i = 0; same && i < p->n_hops; i++) {
        const path_hop *a = &p->hops[i], *b = &again->hops[i];
        same = strcmp(p->sources[a->source].model, again->sources[b->source].model) == 0 && a->layer == b->layer && a->scale == b->scale;
    }
    if (!same)
        fail_on(yaml, "not the same again");
    path_free(again);
    free(yaml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    layer_path *p = parse((const char *)data, size, &err);
    if (!p)
        return 0;
    free(path_text(p));
    check_same(p, path_yaml(p));
    check_same(p, passthrough_yaml(p, NULL, -1));
    path_free(p);
    return 0;
}
