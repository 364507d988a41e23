// One instruction set's table of kernels, from its vector header; included once per variant.
#pragma clang fp contract(off)

#include "panel_kernels.h"
#include "row_kernels.h"
#include "choice_kernels.h"
#include "attention_kernels.h"

static const ck_kernels table = {
    .name = NAME,
    .q4_0 = q4_0_kernel,
    .q4_1 = q4_1_kernel,
    .q5_0 = q5_0_kernel,
    .q5_1 = q5_1_kernel,
    .q8_0 = q8_0_kernel,
    .iq4_nl = iq4_nl_kernel,
    .q4_k = q4_k_kernel,
    .q5_k = q5_k_kernel,
    .q6_k = q6_k_kernel,
    .iq4_xs = iq4_xs_kernel,
    .f32 = f32_kernel,
    .f16 = f16_kernel,
    .bf16 = bf16_kernel,
    .decode_q2_k = decode_q2_k,
    .decode_q3_k = decode_q3_k,
    .decode_f8_e4m3 = decode_f8_e4m3,
    .fold_chains = fold_chains,
    .encode_int8 = encode_int8,
    .derive_blocks = derive_blocks,
    .encode_int16 = encode_int16,
    .add_int16 = add_int16,
    .rms_norm = rms_norm,
    .silu_multiply = silu_multiply,
    .softmax = softmax,
    .sigmoid = sigmoid,
    .exponential = exponential,
    .rotate_interleaved = rotate_interleaved,
    .rotate_halves = rotate_halves,
    .add = add,
    .add_scaled = add_scaled,
    .multiply = multiply,
    .dot = dot,
    .argmax = argmax,
    .maximum = row_maximum,
    .first_at_least = first_at_least,
    .copy_logits = copy_logits,
    .weigh = weigh,
    .spread = spread,
    .gather = gather,
    .encode_half = encode_half,
    .attend = attend,
    .merge_attention = merge_attention,
};
