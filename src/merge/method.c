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
static const method_parameter breadcrumbs[] = {
    WEIGHT, DENSITY(0.05, 1), {"gamma", true, false, false, 0.01, 0, 1, 0, 0.1, "share of the task vector's elements, the largest, that are dropped"},
    NORMALIZE(0), LAMBDA, RESCALE(0), INT8_MASK};
/* So that every density with every epsilon keeps its chances between 0 and 1. */
#define EPSILON {"epsilon", true, false, false, 0.15, 0, 0.5, 0, 0.15, "how far chances to stay lie from the density: smallest of a row, minus; largest, plus"}
static const method_parameter della[] = {WEIGHT, DENSITY(0.2, 0.8), EPSILON, NORMALIZE(1), LAMBDA, RESCALE(1), INT8_MASK};
static const method_parameter della_linear[] = {WEIGHT, DENSITY(0.2, 0.8), EPSILON, NORMALIZE(0), LAMBDA, RESCALE(1), INT8_MASK};
static const method_parameter nuslerp[] = {
    WEIGHT, {"nuslerp_flatten", false, true, false, 1, 0, 1, 0, 0, "take a tensor as one vector; false: each row or column"},
    {"nuslerp_row_wise", false, true, false, 0, 0, 1, 0, 0, "without nuslerp_flatten: vectors run down the rows' first dimension, not along the last"}};
static const method_parameter multislerp[] = {
    WEIGHT, {"normalize_weights", false, true, false, 1, 0, 1, 0, 0, "divide the weights by their sum"},
    {"eps", false, false, false, 1e-8, 0, 1, 0, 0, "added to norms before they divide; a mean below it has no direction"}};
static const method_parameter karcher[] = {
    {"max_iter", false, false, false, 10, 0, 100, 1, 10, "steps towards the mean at most"},
    {"tol", false, false, false, 1e-5, 0, 1, 0, 0, "angles and norms below it count as 0"}};
static const method_parameter model_stock[] = {{"filter_wise", false, true, false, 0, 0, 1, 0, 0, "angles of each row; false: of the whole tensor"}};
static const method_parameter sce[] = {
    {"select_topk", false, false, false, 1, 0, 1, 0.05, 1, "share of the elements that differ between the models which is kept, those that differ most"}, INT8_MASK};
static const method_parameter nearswap[] = {{"t", false, false, true, 0, 0, 1e6, 0, 0.02, "differences below it are swapped for the other model's weight"}};
#define RAM_EPSILON {"epsilon", false, false, false, 1e-5, 0, 1e6, 0, 1e-3, "a model changed an element where it differs from the base by more"}
static const method_parameter ram[] = {RAM_EPSILON};
static const method_parameter ramplus[] = {
    {"r", false, false, false, 0.1, -1e6, 1e6, 0, 1, "how much what a model alone changed grows with what it shares"},
    {"alpha", false, false, false, 0.2, 0, 1e6, 0, 1, "the largest ratio of shared to unique changes that counts"}, RAM_EPSILON};
static const method_parameter passthrough[] = {{"scale", true, false, false, 1, -1e6, 1e6, 0, 1.5, "factor of the tensor"}};

static const method methods[] = {
    {"linear", "weighted average of the models", BASE_AS_MODEL, 1, 0, linear, COUNT(linear), &kernel_linear, false},
    {"slerp", "spherical interpolation between the base and one model", BASE_NEEDED, 1, 1, slerp, COUNT(slerp), &kernel_slerp, false},
    {"task_arithmetic", "the base plus weighted task vectors", BASE_NEEDED, 1, 0, arithmetic, COUNT(arithmetic), &kernel_task_arithmetic, false},
    {"ties", "task vectors trimmed by magnitude, then sign consensus", BASE_NEEDED, 1, 0, ties, COUNT(ties), &kernel_ties, false},
    {"dare_linear", "task vectors with elements dropped at random", BASE_NEEDED, 1, 0, dare, COUNT(dare), &kernel_dare_linear, false},
    {"dare_ties", "elements dropped at random, then sign consensus", BASE_NEEDED, 1, 0, dare, COUNT(dare), &kernel_dare_ties, false},
    {"breadcrumbs", "task vectors without their largest and smallest elements", BASE_NEEDED, 1, 0, breadcrumbs, COUNT(breadcrumbs), &kernel_breadcrumbs, false},
    {"breadcrumbs_ties", "the same, then sign consensus", BASE_NEEDED, 1, 0, breadcrumbs, COUNT(breadcrumbs), &kernel_breadcrumbs_ties, false},
    {"della", "elements dropped at random, small ones sooner, then sign consensus", BASE_NEEDED, 1, 0, della, COUNT(della), &kernel_della, false},
    {"della_linear", "elements dropped at random, small ones sooner", BASE_NEEDED, 1, 0, della_linear, COUNT(della_linear), &kernel_della_linear, false},
    {"nuslerp", "spherical interpolation of two models or of their task vectors", BASE_OPTIONAL, 2, 2, nuslerp, COUNT(nuslerp), &kernel_nuslerp, false},
    {"multislerp", "weighted mean of directions and norms", BASE_OPTIONAL, 1, 0, multislerp, COUNT(multislerp), &kernel_multislerp, false},
    {"karcher", "mean on the sphere of all models", BASE_AS_MODEL, 1, 0, karcher, COUNT(karcher), &kernel_karcher, false},
    {"model_stock", "average of the models, drawn to the base by the angles between them", BASE_NEEDED, 2, 0, model_stock, COUNT(model_stock), &kernel_model_stock, false},
    {"sce", "task vectors where the models differ most, weighted by their size, with sign consensus", BASE_NEEDED, 1, 0, sce, COUNT(sce), &kernel_sce, false},
    {"arcee_fusion", "the elements of one model that matter most put into the base", BASE_NEEDED, 1, 1, NULL, 0, &kernel_arcee_fusion, true},
    {"nearswap", "the base, drawn to the other model where they are near", BASE_NEEDED, 1, 1, nearswap, COUNT(nearswap), &kernel_nearswap, false},
    {"ram", "changes that models share averaged, those of one alone kept whole", BASE_NEEDED, 1, 0, ram, COUNT(ram), &kernel_ram, false},
    {"ramplus_tl", "the same, those of one alone made larger", BASE_NEEDED, 1, 0, ramplus, COUNT(ramplus), &kernel_ramplus_tl, true},
    {"passthrough", "one model, scaled", BASE_AS_MODEL, 1, 1, passthrough, COUNT(passthrough), &kernel_passthrough, false},
};

static const char *const names[] = {"linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties", "della",
                                    "della_linear", "nuslerp", "multislerp", "karcher", "model_stock", "sce", "arcee_fusion", "nearswap", "ram",
                                    "ramplus_tl", "passthrough", NULL};
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
