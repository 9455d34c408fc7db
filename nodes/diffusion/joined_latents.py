"""What stands on a wire for latents without being one tensor: two at once (a video's and its sound's), or none."""

from dataclasses import dataclass

from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.values import Latent


@dataclass(frozen=True, slots=True, eq=False)
class JoinedLatents:
    """A video's latents and its sound's, for models that make both together."""

    video: Latent
    audio: Latent

    @property
    def samples(self) -> Tensor:
        """There is no single tensor.

        Raises:
            DiffusionError: always, for nodes that take one kind of latents.
        """
        raise DiffusionError(
            "The latents are a video's and a sound's together, and this node takes one of them.",
            "Take them apart with LTXVSeparateAVLatent.",
        )


@dataclass(frozen=True, slots=True)
class NoLatents:
    """Latents of a picture that nobody has connected."""

    @property
    def samples(self) -> Tensor:
        """There are none.

        Raises:
            DiffusionError: always.
        """
        raise DiffusionError(
            "There are no latents: the node that gives them was given no picture.",
            "Connect a picture to its start_image.",
        )
