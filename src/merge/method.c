#include "merge/method.h"

#include <string.h>

#include "merge/kernel.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A weight of a million is a mistake in any recipe; mergekit would write what it gives. */
#define WEIGHT {"weight", true, false, true, 0, -1e6, 1e6, 0, 2, "how much of the model"}
#define DENSITY(low, high) {"density", true, false, false, 1, 0, 1, low, high, "share of the task vector's elements that are kept"}
#define NORMALIZE(standard) {"normalize", false, true, false, standard, 0, 1, 0, 0, "divide by the sum of the weights"}
#define LAMBDA {"lambda", false, false, false, 1, -1e6, 1e6, 0, 0, "scales the merged task vector before it is added to the base"}
#define RESCALE(standard) {"rescale", false, true, false, standard, 0, 1, 0, 0, "after sparsifying, scale back (l1: to the same L1 norm; inverse_density)"}
#define INT8_MASK {"int8_mask", false, true, false, 0, 0, 1, 0, 0, "accepted, no effect"}

static const method_parameter linear[] = {WEIGHT, NORMALIZE(1)};
static const method_parameter slerp[] = {{"t", false, false, true, 0, -100, 100, 0, 1, "0: the base, 1: the other model"}};
static const method_parameter arithmetic[] = {WEIGHT, DENSITY(0, 0), NORMALIZE(0), LAMBDA, RESCALE(0), INT8_MASK};
static const method_parameter ties[] = {WEIGHT, DENSITY(0.05, 1), NORMALIZE(1), LAMBDA, RESCALE(0), INT8_MASK};
static const method_parameter dare[] = {WEIGHT, DENSITY(0.05, 1), NORMALIZE(0), LAMBDA, RESCALE(1), INT8_MASK};

static const method methods[] = {
    {"linear", "weighted average of the models", BASE_AS_MODEL, 1, 0, linear, COUNT(linear), &kernel_linear},
    {"slerp", "spherical interpolation between the base and one model", BASE_NEEDED, 1, 1, slerp, COUNT(slerp), &kernel_slerp},
    {"task_arithmetic", "the base plus weighted task vectors", BASE_NEEDED, 1, 0, arithmetic, COUNT(arithmetic), &kernel_task_arithmetic},
    {"ties", "task vectors trimmed by magnitude, then sign consensus", BASE_NEEDED, 1, 0, ties, COUNT(ties), &kernel_ties},
    {"dare_linear", "task vectors with elements dropped at random", BASE_NEEDED, 1, 0, dare, COUNT(dare), &kernel_dare_linear},
    {"dare_ties", "elements dropped at random, then sign consensus", BASE_NEEDED, 1, 0, dare, COUNT(dare), &kernel_dare_ties},
};

static const char *const names[] = {"linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties", NULL};
_Static_assert(COUNT(names) == COUNT(methods) + 1, "a method is missing from the list of names");

const method *method_find(const char *name)
{
    for (size_t i = 0; i < COUNT(methods); i++)
        if (name && strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

const char *const *method_names(void)
{
    return names;
}

const method_parameter *method_parameter_find(const method *m, const char *name)
{
    for (size_t i = 0; i < m->n_parameters; i++)
        if (strcmp(m->parameters[i].name, name) == 0)
            return &m->parameters[i];
    return NULL;
}
