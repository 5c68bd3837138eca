#include "golden.h"

void golden_study(const golden_context *c)
{
    (void)c;
}
