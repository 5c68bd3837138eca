#include "task/lmeval.h"

bool lmeval_is_task(const yaml_value *root)
{
    (void)root;
    return false;
}

int lmeval_read(task *t, const yaml_value *root, error *err)
{
    (void)t;
    (void)root;
    return fail(err, ERROR_UNSUPPORTED, "no");
}
