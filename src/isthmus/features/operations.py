"""The operations that an exported program may use, by name: tensors in, tensors out.

A list of what is accepted, not of what is refused: some operations of torch read and write files (from_file, save), and
some access memory unchecked. An operation in place (relu_) is accepted if its name without the underscore is.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch

NAMES = """
abs acos acosh add addcdiv addcmul addmm alias amax amin any all arange argmax argmin asin asinh atan atan2 atanh
bitwise_and bitwise_not bitwise_or bitwise_xor logical_and logical_not logical_or logical_xor
bmm baddbmm mm matmul linear einsum dot mv outer bilinear
ceil floor round trunc frac sign clamp clamp_min clamp_max minimum maximum max min
cos cosh sin sinh tan tanh exp exp2 expm1 erf log log10 log1p log2 reciprocal rsqrt sqrt square pow
div mul sub rsub neg remainder fmod floor_divide true_divide subtract multiply divide lerp
eq ne ge gt le lt greater greater_equal less less_equal isinf isnan isfinite nan_to_num where
mean sum prod var std var_mean std_mean norm linalg_vector_norm logsumexp cumsum cumprod median
conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d
batch_norm _native_batch_norm_legit_no_training instance_norm group_norm native_group_norm layer_norm
native_layer_norm rms_norm local_response_norm
relu relu6 elu celu selu gelu silu mish sigmoid log_sigmoid hardsigmoid hardswish hardtanh leaky_relu prelu
softplus softsign threshold glu softmax _softmax log_softmax _log_softmax softmin
adaptive_avg_pool1d adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d max_pool1d
max_pool2d max_pool2d_with_indices
dropout feature_dropout alpha_dropout scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu
upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d upsample_linear1d upsample_bilinear2d
_upsample_bilinear2d_aa upsample_bicubic2d _upsample_bicubic2d_aa grid_sampler grid_sampler_2d affine_grid_generator
pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im
pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d
view view_as reshape reshape_as flatten unflatten permute transpose t movedim swapaxes squeeze unsqueeze expand
expand_as repeat repeat_interleave tile broadcast_to contiguous clone detach lift_fresh_copy copy as_strided
_unsafe_view _reshape_alias numpy_T mT
cat concat concatenate stack hstack vstack split split_with_sizes chunk tensor_split unbind narrow
select slice slice_scatter select_scatter index index_select index_put gather scatter scatter_add take_along_dim
masked_fill masked_scatter roll flip rot90 meshgrid tril triu diagonal embedding one_hot topk sort argsort unfold
zeros zeros_like ones ones_like full full_like empty_like new_zeros new_ones new_full fill zero eye linspace
scalar_tensor to type_as _to_copy float half bfloat16 double long int bool
sym_size sym_numel sym_stride size numel dim
"""
ATEN = frozenset(NAMES.split())
CHECKS = """
_assert_scalar _assert_tensor_metadata _assert_async sym_constrain_range sym_constrain_range_for_size
"""  # of the exporter, without a result
SIZES = "add sub mul floordiv truediv mod neg eq ne ge gt le lt and_ or_"
NUMBERS: dict[str, Callable[..., Any]] = {  # of sizes; no pow, whose result may be as large as the memory
    **{f"_operator.{name}": getattr(operator, name) for name in SIZES.split()},
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.trunc": math.trunc,
    "math.sqrt": math.sqrt,
    "torch.sym_float": torch.sym_float,
    "torch.sym_int": torch.sym_int,
    "torch.sym_max": torch.sym_max,
    "torch.sym_min": torch.sym_min,
    "torch.sym_not": torch.sym_not,
    "torch._sym_sqrt": math.sqrt,
}


def find_operation(target: str) -> Callable[..., Any] | None:
    """The function of a node; None if its kind is not accepted."""
    if target in NUMBERS:
        return NUMBERS[target]
    name, _, overload = target.removeprefix("torch.ops.aten.").partition(".")
    if not target.startswith("torch.ops.aten.") or (name not in ATEN and name.removesuffix("_") not in ATEN):
        return None
    function = getattr(getattr(torch.ops.aten, name, None), overload, None)
    return function if isinstance(function, torch._ops.OpOverload) else None


def is_ignored(target: str) -> bool:
    return target.removeprefix("torch.ops.aten.").partition(".")[0] in CHECKS.split()
