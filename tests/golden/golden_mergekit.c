#include "golden.h"

void golden_mergekit(const golden_context *c)
{
    (void)c;
}
