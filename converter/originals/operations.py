"""TensorFlow calls that a Keras 2 model may hold beside its layers: ``x + y``, ``h[:, -1]``, ``tf.abs(h)``.

Such a layer is a name that Keras looks up in all of TensorFlow, which can also write files and run code.
So these are listed: pure functions of their tensors, by the name that Keras writes.
"""

CALLS = {"SlicingOpLambda", "TFOpLambda"}
"""The classes of such layers. Their config's ``function`` is the name of the call."""

_MATH = """
    abs add add_n argmax argmin ceil cos cumsum divide divide_no_nan equal erf exp expm1 floor floordiv
    floormod greater greater_equal l2_normalize less less_equal log log1p logical_and logical_not logical_or
    maximum minimum multiply multiply_no_nan negative not_equal pow reciprocal reduce_all reduce_any
    reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum reduce_variance
    rint round rsqrt scalar_mul sigmoid sign sin softplus sqrt square squared_difference subtract tanh top_k
    truediv
"""
_NETWORK = "elu gelu leaky_relu log_softmax relu relu6 selu silu softmax softsign"
_TENSORS = """
    broadcast_to cast clip_by_value concat einsum expand_dims fill gather gather_nd identity linalg.matmul
    norm one_hot ones_like pad range repeat reshape reverse roll shape size slice split squeeze stack
    stop_gradient strided_slice tensordot tile transpose unstack where zeros_like
"""
_OLD = "floor_div gather norm pad shape size squeeze transpose"

PURE = (
    {f"math.{name}" for name in _MATH.split()}
    | {f"nn.{name}" for name in _NETWORK.split()}
    | {f"compat.v1.{name}" for name in _OLD.split()}
    | {f"__operators__.{name}" for name in ("add", "eq", "getitem", "ne")}
    | set(_TENSORS.split())
)
