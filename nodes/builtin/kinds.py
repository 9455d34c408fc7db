"""Sockets of the built-in nodes, named once."""

from typing import Annotated

from nodes.diffusion.absent import Absent
from nodes.diffusion.noise import StartNoise
from nodes.diffusion.sampling.choice import SamplerChoice
from nodes.diffusion.values import (
    Clip,
    Conditioning,
    ControlNet,
    HookGroup,
    Image,
    Latent,
    Mask,
    Model,
    Sigmas,
    Vae,
)
from nodes.spec import Combo, Float, Out, Socket, String

ModelIn = Annotated[Model, Socket("MODEL")]
ModelOut = Annotated[Model, Out("MODEL")]
# A checkpoint may bring no text encoder and no VAE; the nodes that need one say so.
AnyClip = Clip | Absent | None
AnyVae = Vae | Absent | None
ClipIn = Annotated[AnyClip, Socket("CLIP")]
ClipOut = Annotated[AnyClip, Out("CLIP")]
VaeIn = Annotated[AnyVae, Socket("VAE")]
VaeOut = Annotated[AnyVae, Out("VAE")]
ControlIn = Annotated[ControlNet, Socket("CONTROL_NET")]
ControlOut = Annotated[ControlNet, Out("CONTROL_NET")]
ConditioningIn = Annotated[Conditioning, Socket("CONDITIONING")]
ConditioningOut = Annotated[Conditioning, Out("CONDITIONING")]
LatentIn = Annotated[Latent, Socket("LATENT")]
LatentOut = Annotated[Latent, Out("LATENT")]
ImageIn = Annotated[Image, Socket("IMAGE")]
ImageOut = Annotated[Image, Out("IMAGE")]
MaskIn = Annotated[Mask, Socket("MASK")]
MaskOut = Annotated[Mask, Out("MASK")]
PositiveOut = Annotated[Conditioning, Out("CONDITIONING", "positive")]
NegativeOut = Annotated[Conditioning, Out("CONDITIONING", "negative")]
HooksIn = Annotated[HookGroup | None, Socket("HOOKS", optional=True)]
HooksOut = Annotated[HookGroup | None, Out("HOOKS")]
SamplerIn = Annotated[SamplerChoice, Socket("SAMPLER")]
SamplerOut = Annotated[SamplerChoice, Out("SAMPLER")]
SigmasIn = Annotated[Sigmas, Socket("SIGMAS")]
SigmasOut = Annotated[Sigmas, Out("SIGMAS")]
NoiseIn = Annotated[StartNoise, Socket("NOISE")]
NoiseOut = Annotated[StartNoise, Out("NOISE")]
Prompt = Annotated[str, String(multiline=True, dynamic=True)]
Strength = Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01)]

BOUNDS = "mask bounds"
MaskBounds = Annotated[str, Combo(("default", BOUNDS))]  # whether a mask's bounds become an area
