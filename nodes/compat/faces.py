"""MODEL, CLIP and VAE as packs hold them: objects over our recipes, with the field's methods.

What they do is done by our own networks, loaded by the pool as part of the node that calls; back at the border a face
becomes its recipe again. What is not here refuses and says so (`standing`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nodes.compat.clip_face import CLIP
from nodes.compat.faced import Face, context, session
from nodes.compat.standing import refuse
from nodes.compat.surgery.patcher import ModelPatcher
from nodes.diffusion.vae import PixelCoder, VaeCoder
from nodes.diffusion.values import PIXEL_SPACE, Clip, Model, Vae

CELLS, CELLS_SHARED = 64, 16  # of a tile of latents, where nobody says
PIXELS, PIXELS_SHARED = 512, 64
PIXEL_KEY = "pixel_space_vae"


class VAE(Face):
    """Between pictures [batch height width channel] in 0..1 and latents [batch channel height width]."""

    recipe: Vae
    crop_input = True
    not_video = True
    output_device = torch.device("cpu")
    kept: Any = None  # makes a file of weights in memory; `comfy.sd` sets it

    def __init__(self, sd: Any = None, *_more: object, **_named: object) -> None:
        """Of a recipe, or of weights; those that say that there is none are for models that work on pixels."""
        if isinstance(sd, Mapping):
            sd = PIXEL_SPACE if PIXEL_KEY in sd else Vae(self.kept(sd))
        if not isinstance(sd, Vae):
            refuse("comfy.sd.VAE of weights")
        super().__init__(sd)

    def _ask(self, act: Callable[[VaeCoder | PixelCoder], Any]) -> Any:
        with session() as loaded:
            return act(loaded.vae(self.recipe))

    def encode(self, pixel_samples: Tensor) -> Tensor:
        """Latents of pictures."""
        return self._ask(lambda coder: coder.encode(pixel_samples[..., :3], context().say))

    def decode(self, samples_in: Tensor, vae_options: Mapping[str, object] | None = None) -> Tensor:
        """Pictures of latents."""
        del vae_options
        return self._ask(lambda coder: coder.decode(samples_in, context().say))

    def encode_tiled(
        self,
        pixel_samples: Tensor,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        tile_t: int | None = None,
        overlap_t: int | None = None,
    ) -> Tensor:
        """As `encode`, tile by tile; sizes in pixels."""
        del tile_t, overlap_t
        tile = min(tile_x or PIXELS, tile_y or PIXELS)
        shared = PIXELS_SHARED if overlap is None else overlap
        return self._ask(lambda coder: coder.encode_tiled(pixel_samples[..., :3], tile, shared))

    def decode_tiled(
        self,
        samples: Tensor,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        tile_t: int | None = None,
        overlap_t: int | None = None,
    ) -> Tensor:
        """As `decode`, tile by tile; sizes in latents."""
        del tile_t, overlap_t
        tile = min(tile_x or CELLS, tile_y or CELLS)
        shared = CELLS_SHARED if overlap is None else overlap
        return self._ask(lambda coder: coder.decode_tiled(samples, tile, shared))

    def vae_encode_crop_pixels(self, pixels: Tensor) -> Tensor:
        """Pictures cut evenly on both sides to whole latents."""
        multiple = self.downscale_ratio
        height, width = (side // multiple * multiple for side in pixels.shape[1:3])
        top, left = pixels.shape[1] % multiple // 2, pixels.shape[2] % multiple // 2
        return pixels[:, top : top + height, left : left + width]

    def spacial_compression_encode(self) -> int:
        """The side of the square of picture that a latent stands for."""
        return self.downscale_ratio

    def spacial_compression_decode(self) -> int:
        """The same."""
        return self.downscale_ratio

    def temporal_compression_decode(self) -> None:
        """Pictures have no time."""

    def throw_exception_if_invalid(self) -> None:
        """A recipe is judged when it is loaded."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._ask(lambda coder: getattr(coder, "device", torch.device("cpu")))

    @property
    def vae_dtype(self) -> torch.dtype:
        """What it computes in."""
        return self._ask(lambda coder: getattr(coder, "dtype", torch.float32))

    @property
    def downscale_ratio(self) -> int:
        """The side of the square of picture that a latent stands for."""
        return self._ask(lambda coder: coder.pixels)

    @property
    def upscale_ratio(self) -> int:
        """The same."""
        return self.downscale_ratio

    @property
    def latent_channels(self) -> int:
        """Channels of its latents."""
        return self._ask(lambda coder: coder.channels)


KINDS: Mapping[type, Callable[[Any], Face]] = {Model: ModelPatcher.of, Clip: CLIP, Vae: VAE}
