/* A recipe from anyone. What is accepted is written as YAML, read again, and must then say the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static recipe *parse(const char *text, size_t n, error *err)
{
    yaml_value *root = yaml_parse(text, n, "fuzz", err);
    recipe *r = root ? recipe_from_yaml(root, NULL, err) : NULL;
    yaml_free(root);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    recipe *r = parse((const char *)data, size, &err);
    if (!r)
        return 0;
    double x = 0;
    for (int i = -1; i < (int)r->n_models; i++)
        recipe_real(r, i, "weight", "model.layers.1.mlp.up_proj.weight", 0.3, &x);
    char *first = recipe_yaml(r);
    recipe *copy = recipe_copy(r), *again = parse(first, strlen(first), &err);
    char *second = again ? recipe_yaml(again) : NULL;
    if (!second || strcmp(first, second) != 0) {
        fprintf(stderr, "%s\n%s\n%s\n", again ? "not the same again" : err.text, first, second ? second : "");
        abort();
    }
    free(second);
    free(first);
    recipe_free(again);
    recipe_free(copy);
    recipe_free(r);
    return 0;
}
