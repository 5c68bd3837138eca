#include "golden.h"

void golden_engine(const golden_context *c)
{
    (void)c;
}
