"""Sockets of the built-in nodes, named once."""

from typing import Annotated

from nodes.diffusion.values import Clip, Conditioning, ControlNet, Image, Latent, Mask, Model, Vae
from nodes.spec import Out, Socket

ModelIn = Annotated[Model, Socket("MODEL")]
ModelOut = Annotated[Model, Out("MODEL")]
ClipIn = Annotated[Clip, Socket("CLIP")]
ClipOut = Annotated[Clip, Out("CLIP")]
VaeIn = Annotated[Vae, Socket("VAE")]
VaeOut = Annotated[Vae, Out("VAE")]
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
