/* The AVX2 family: AVX2, FMA and F16C. */
#if defined(__AVX2__)

#include "compute/vector_avx2.h"

#include "compute/families.h"
#include "compute/kernel_attention.h"
#include "compute/kernel_matmul.h"
#include "compute/kernel_ops.h"

static bool available(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");   /* every CPU with AVX2 has F16C */
}

const backend backend_avx2 = {
    .name = "avx2", .available = available, .matmul = matmul, .rms_norm = rms_norm, .layer_norm = layer_norm, .rope = rope,
    .activate = activate, .softcap = softcap, .add = add,
    .attention = attention, .argmax = argmax, .all_finite = all_finite, .log_sum_exp = log_sum_exp,
};

#endif
