"""What a control network of a file works beside: the network that it steers, a VAE, and its own settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from torch import nn

from nodes.diffusion.control import LoadedControl
from nodes.diffusion.denoiser import ControlNetwork
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.hints import Encodes
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.values import ControlNet

SD1, SD2, SDXL = "Stable Diffusion 1", "Stable Diffusion 2", "Stable Diffusion XL"


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """What a control network has beside it in a run.

    Attributes:
        net: its recipe.
        network: the one that it steers.
        coder: gives the VAE that makes latents of hints; None: nobody connected one.
        base: gives the network of the recipe's own model; None: it names none.
    """

    net: ControlNet
    network: LoadedNetwork
    coder: Callable[[], Encodes] | None = None
    base: Callable[[], LoadedNetwork] | None = None

    @property
    def name(self) -> str:
        """Of the file."""
        return self.net.checkpoint.path.name

    def encoder(self) -> Encodes:
        """The VAE.

        Raises:
            DiffusionError: none is connected.
        """
        if self.coder is None:
            raise DiffusionError(
                f"{self.name} reads latents of its picture, and no VAE makes them.",
                "Connect the model's VAE to the vae input of Apply ControlNet.",
            )
        return self.coder()

    def refuse(self, made_for: str) -> DiffusionError:
        """The error that the control network is of another family than the model."""
        return DiffusionError(
            f"The control network {self.name} was made for {made_for}; the model is {self.network.family.name}.",
            "Use a control network of the model's family, or a model of the control network's.",
        )


@runtime_checkable
class ControlFile(Protocol):
    """A loaded file with a control network; as the pool keeps it."""

    @property
    def module(self) -> nn.Module: ...

    def beside(self, company: Company) -> ControlNetwork:
        """The control network at work in a run.

        Raises:
            DiffusionError: it is of another family than the model, or lacks something beside it.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class UnetControl:
    """A control network that is half a U-Net; as `ControlFile`."""

    control: LoadedControl

    @property
    def module(self) -> nn.Module:
        return self.control.module

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`."""
        config, theirs = cast("Any", self.module).config, cast("Any", company.network.module).config
        same = company.network.family.folder == "unet" and (
            list(config.block_out_channels) == list(theirs.block_out_channels)
            and config.cross_attention_dim == theirs.cross_attention_dim
        )
        if not same:
            raise company.refuse(unet_family(config))
        control = self.control
        return LoadedControl(
            control.module, control.device, control.dtype, company.net.pools_residuals, company.net.kind
        )


def unet_family(config: Any) -> str:
    """The family of U-Nets that a control network copies, from its settings."""
    if config.addition_embed_type:
        return SDXL
    return SD2 if config.use_linear_projection else SD1
