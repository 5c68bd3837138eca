/* The AVX-512 family: F, BW, VL and DQ. Not AVX512_BF16: its dot products round activations to bf16, and are no faster. */
#if defined(__AVX512F__)

#include "compute/vector_avx512.h"

#include "compute/families.h"
#include "compute/kernel_attention.h"
#include "compute/kernel_matmul.h"
#include "compute/kernel_ops.h"

static bool available(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");   /* every CPU with AVX2 has F16C */
}

const backend backend_avx512 = {
    .name = "avx512", .available = available, .matmul = matmul, .rms_norm = rms_norm, .layer_norm = layer_norm, .rope = rope,
    .activate = activate, .softcap = softcap, .add = add,
    .attention = attention, .argmax = argmax, .all_finite = all_finite, .log_sum_exp = log_sum_exp,
};

#endif
