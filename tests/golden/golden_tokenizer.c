#include "golden.h"

void golden_tokenizer(const golden_context *c)
{
    (void)c;
}
