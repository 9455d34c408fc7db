"""`comfy.ops`: layers without initial values; those that cast compute in their input's type, on its device."""

from torch import nn


def cast_to(weight, dtype=None, device=None, non_blocking=False, copy=False):
    return (
        None
        if weight is None
        else weight.to(device=device, dtype=dtype, non_blocking=non_blocking, copy=copy)
    )


def cast_to_input(weight, input, non_blocking=False, copy=True):
    return cast_to(weight, input.dtype, input.device, non_blocking, copy)


class CastWeightBiasOp:
    comfy_cast_weights = False
    weight_function = ()
    bias_function = ()


def cast_bias_weight(s, input=None, dtype=None, device=None, bias_dtype=None, offloadable=False, **_more):
    """A layer's weight and bias as its input wants them, after its own functions."""
    if input is not None:
        dtype, device = dtype or input.dtype, device or input.device
    weight = cast_to(s.weight, dtype, device)
    bias = cast_to(s.bias, bias_dtype or dtype, device) if getattr(s, "bias", None) is not None else None
    for function in s.weight_function:
        weight = function(weight)
    for function in s.bias_function if bias is not None else ():
        bias = function(bias)
    return (weight, bias, None) if offloadable else (weight, bias)


def uncast_bias_weight(s, weight, bias, offload_stream):
    """Nothing is held."""


def _layer(base, compute):
    class Layer(CastWeightBiasOp, base):
        def reset_parameters(self):
            """Weights come from files."""

        def forward_comfy_cast_weights(self, input, *args, **more):
            weight, bias = cast_bias_weight(self, input)[:2]
            return compute(self, input, weight, bias, *args, **more)

        def forward(self, input, *args, **more):
            if self.comfy_cast_weights or self.weight_function or self.bias_function:
                return self.forward_comfy_cast_weights(input, *args, **more)
            return super().forward(input, *args, **more)

    Layer.__name__ = Layer.__qualname__ = base.__name__
    return Layer


def _conv(self, input, weight, bias):
    return self._conv_forward(input, weight, bias)


def _transposed(function):
    def compute(self, input, weight, bias, output_size=None):
        sides = input.ndim - 2
        padding = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, sides, self.dilation
        )
        return function(input, weight, bias, self.stride, self.padding, padding, self.groups, self.dilation)

    return compute


def _embedding(self, input, weight, bias, out_dtype=None):
    del bias
    made = nn.functional.embedding(
        input, weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
    )
    return made if out_dtype is None else made.to(out_dtype)


def _own_type(layer):
    """An embedding's input are numbers of tokens: its weight keeps its own type."""

    class Embedding(layer):
        bias = None

        def forward_comfy_cast_weights(self, input, out_dtype=None):
            weight = cast_to(self.weight, out_dtype, input.device)
            for function in self.weight_function:
                weight = function(weight)
            return _embedding(self, input, weight, None, out_dtype)

        def forward(self, input, out_dtype=None):
            return self.forward_comfy_cast_weights(input, out_dtype)

    return Embedding


class disable_weight_init:
    Linear = _layer(nn.Linear, lambda _self, x, weight, bias: nn.functional.linear(x, weight, bias))
    Conv1d = _layer(nn.Conv1d, _conv)
    Conv2d = _layer(nn.Conv2d, _conv)
    Conv3d = _layer(nn.Conv3d, _conv)
    ConvTranspose1d = _layer(nn.ConvTranspose1d, _transposed(nn.functional.conv_transpose1d))
    ConvTranspose2d = _layer(nn.ConvTranspose2d, _transposed(nn.functional.conv_transpose2d))
    GroupNorm = _layer(
        nn.GroupNorm,
        lambda self, x, weight, bias: nn.functional.group_norm(x, self.num_groups, weight, bias, self.eps),
    )
    LayerNorm = _layer(
        nn.LayerNorm,
        lambda self, x, weight, bias: nn.functional.layer_norm(
            x, self.normalized_shape, weight, bias, self.eps
        ),
    )
    RMSNorm = _layer(
        nn.RMSNorm,
        lambda self, x, weight, _bias: nn.functional.rms_norm(x, self.normalized_shape, weight, self.eps),
    )
    Embedding = _own_type(_layer(nn.Embedding, _embedding))
    BatchNorm2d = nn.BatchNorm2d

    @classmethod
    def conv_nd(cls, dims, *args, **more):
        kinds = {1: cls.Conv1d, 2: cls.Conv2d, 3: cls.Conv3d}
        if dims not in kinds:
            raise ValueError(f"unsupported dimensions: {dims}")
        return kinds[dims](*args, **more)


def _casting(layer):
    return type(layer.__name__, (layer,), {"comfy_cast_weights": True})


class manual_cast(disable_weight_init):
    Linear = _casting(disable_weight_init.Linear)
    Conv1d = _casting(disable_weight_init.Conv1d)
    Conv2d = _casting(disable_weight_init.Conv2d)
    Conv3d = _casting(disable_weight_init.Conv3d)
    ConvTranspose1d = _casting(disable_weight_init.ConvTranspose1d)
    ConvTranspose2d = _casting(disable_weight_init.ConvTranspose2d)
    GroupNorm = _casting(disable_weight_init.GroupNorm)
    LayerNorm = _casting(disable_weight_init.LayerNorm)
    RMSNorm = _casting(disable_weight_init.RMSNorm)
    Embedding = _casting(disable_weight_init.Embedding)


def pick_operations(
    weight_dtype, compute_dtype, load_device=None, disable_fast_fp8=False, fp8_optimizations=False, **_more
):
    """Layers that cast where weights are kept in another type than they compute in."""
    if compute_dtype is None or weight_dtype == compute_dtype:
        return disable_weight_init
    return manual_cast
