"""Set an AutoencoderKL's weights by hand so that before any training it is an exact 8x thumbnail codec.

Latents 0 to 2 start as the means of R, G and B over 8x8 pixels. Colour travels as +x and -x in channel pairs, so that
SiLU passes it exactly (silu(x) - silu(-x) = x); six constant channels keep GroupNorm's divisor nearly constant, which is
why there is one norm group. All other channels start small and random, every residual branch at zero.
"""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

_CARRIED = 12  # channels 0-2: +rgb, 3-5: -rgb, 6-11: constants
_GAIN = 0.3  # of rgb inside the networks
_LATENT_GAIN = 1.4  # gives latents a standard deviation near 1
_SMALL = 0.3  # what remains of the usual random start in the free channels


def build(channels: tuple[int, ...]) -> AutoencoderKL:
    """An f=8 autoencoder with four latents and one norm group."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=channels,
        layers_per_block=1,
        norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        sample_size=128,
        scaling_factor=1.0,
    )


@torch.no_grad()
def start_as_thumbnail(model: AutoencoderKL) -> None:
    """Overwrite the weights of a freshly built model (random numbers from torch's default generator)."""
    for network in (model.encoder, model.decoder):
        for module in network.modules():
            _BY_KIND.get(type(module).__name__, _leave)(module)
        _carry_in(network.conv_in)
        _carry_out(network.conv_out, network.conv_norm_out.num_channels)
    free = model.encoder.conv_out.weight[3, _CARRIED:]
    free.copy_(torch.randn(free.shape) * 0.05)
    for convolution, gain in ((model.quant_conv, _LATENT_GAIN), (model.post_quant_conv, 1 / _LATENT_GAIN)):
        convolution.weight.zero_()
        convolution.bias.zero_()
        for channel in range(4):
            convolution.weight[channel, channel, 0, 0] = gain if channel < 3 else 1
    model.quant_conv.bias[4:] = -6.0


def _leave(module: nn.Module) -> None:
    """Keep the usual random start."""


def _residual(block: nn.Module) -> None:
    block.conv2.weight.zero_()
    block.conv2.bias.zero_()
    if block.conv_shortcut is None:
        return
    weight = block.conv_shortcut.weight
    weight.zero_()
    block.conv_shortcut.bias.zero_()
    for channel in range(min(weight.shape[:2])):
        weight[channel, channel] = 1
    for channel in range(weight.shape[1], weight.shape[0]):
        weight[channel, :_CARRIED] = torch.randn(min(_CARRIED, weight.shape[1]), 1, 1) * 0.03


def _attention(block: nn.Module) -> None:
    block.to_out[0].weight.zero_()
    block.to_out[0].bias.zero_()


def _resampling(block: nn.Module, kernel: Tensor, isolate_inputs: bool) -> None:
    weight = block.conv.weight
    weight.mul_(_SMALL)
    if isolate_inputs:
        weight[:, : _CARRIED - 4] = 0
    weight[:_CARRIED] = 0
    block.conv.bias.zero_()
    for channel in range(_CARRIED):
        weight[channel, channel, : kernel.shape[0], : kernel.shape[1]] = kernel


def _halving(block: nn.Module) -> None:
    _resampling(block, torch.full((2, 2), 0.25), isolate_inputs=True)


def _doubling(block: nn.Module) -> None:
    ramp = torch.tensor([0.25, 0.5, 0.25])
    _resampling(block, ramp[:, None] * ramp[None], isolate_inputs=False)


_BY_KIND = {
    "ResnetBlock2D": _residual,
    "Attention": _attention,
    "Downsample2D": _halving,
    "Upsample2D": _doubling,
}


def _carry_in(convolution: nn.Conv2d) -> None:
    convolution.weight.mul_(_SMALL)
    convolution.weight[:_CARRIED] = 0
    convolution.weight[_CARRIED:] *= 0.1
    convolution.bias.zero_()
    for channel in range(3):
        convolution.weight[channel, channel, 1, 1] = _GAIN
        convolution.weight[3 + channel, channel, 1, 1] = -_GAIN
    for channel in range(6):
        convolution.bias[6 + channel] = 1.0 if channel % 2 else -1.0


def _carry_out(convolution: nn.Conv2d, channels: int) -> None:
    # after GroupNorm the six constants alone give a deviation of about sqrt(6 / channels)
    inverse = (6 / channels) ** 0.5 / _GAIN
    convolution.weight.zero_()
    convolution.bias.zero_()
    for channel in range(3):
        convolution.weight[channel, channel, 1, 1] = inverse
        convolution.weight[channel, 3 + channel, 1, 1] = -inverse
