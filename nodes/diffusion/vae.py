"""Pictures to latents and back, with the autoencoder of a latent diffusion model (Rombach et al. 2022, arXiv:2112.10752)."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from nodes.diffusion.errors import DiffusionError, is_no_memory
from nodes.diffusion.latent_formats import families
from nodes.diffusion.vae_codings import PICTURES, Coding

TILE = 64  # latents
OVERLAP = 16
PICTURE_AXES = 2  # of its latents
PLANES = 3  # of a picture: red, green, blue
TOO_LITTLE = "There was too little memory: the picture was {} in tiles, which changes it slightly."
TILINGS = ((1.0, 1.0), (0.5, 2.0), (2.0, 0.5))  # height and width of a tile, times its size

Coder: TypeAlias = Callable[[Tensor], Tensor]
Tell: TypeAlias = Callable[[str], None]


def log(text: str) -> None:
    """Tell the log, where there is no node to tell."""
    logging.getLogger(__name__).warning(text)


@dataclass(frozen=True, slots=True)
class PixelCoder:
    """No autoencoder: for models that work on pixels, latents are the picture itself in -1..1."""

    pixels: int = 1
    channels: int = 3

    def encode(self, image: Tensor, tell: Tell = log) -> Tensor:
        """A picture [batch height width channel] in 0..1 as Float32[batch channel height width] in -1..1."""
        del tell
        return image.movedim(-1, 1).float() * 2.0 - 1.0

    def encode_video(self, frames: Tensor, tell: Tell = log) -> Tensor:
        """As `encode`: each picture by itself."""
        return self.encode(frames, tell)

    def decode(self, latents: Tensor, tell: Tell = log) -> Tensor:
        """The picture of such latents."""
        del tell
        return ((latents.float() + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)

    def decode_tiled(self, latents: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
        """As `decode`: there is nothing to save."""
        del tile, overlap
        return self.decode(latents)

    def encode_tiled(self, image: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
        """As `encode`: there is nothing to save."""
        del tile, overlap
        return self.encode(image)


@dataclass(frozen=True, slots=True, eq=False)
class VaeCoder:
    """A loaded autoencoder. Latents are Float32[batch channel height width] on the CPU, as it gives them; some have time.

    Attributes:
        module: an autoencoder of diffusers.
        pixels: side of the square of picture that one latent stands for.
        coding: how its class is asked.
    """

    module: nn.Module
    pixels: int
    channels: int
    device: torch.device
    dtype: torch.dtype
    coding: Coding = PICTURES

    @torch.no_grad()
    def encode(self, image: Tensor, tell: Tell = log) -> Tensor:
        """The most likely latents of a picture [batch height width 3..4] in 0..1; nothing is drawn at random.

        What does not fill a latent is cut off, evenly on both sides. A picture too large for the device's memory is
        encoded in tiles, which changes the latents slightly; `tell` is then told.
        """
        planes = self._planes(image)
        latents = _if_it_fits(self._encoded, planes, "encoded", tell)
        if latents is None:
            latents = self._in_tilings(self._encoded, planes, TILE * self.pixels, OVERLAP * self.pixels)
        return latents

    @torch.no_grad()
    def encode_video(self, frames: Tensor, tell: Tell = log) -> Tensor:
        """As `encode`, all pictures as one video: Float32[1 channel frame height width], fewer frames than pictures.

        An autoencoder of pictures encodes each by itself.
        """
        if self.coding.axes == PICTURE_AXES:
            return self.encode(frames, tell)
        planes = self._planes(frames).movedim(0, 1)[None]
        latents = _if_it_fits(self._encoded, planes, "encoded", tell)
        if latents is None:
            latents = self._in_tilings(self._encoded, planes, TILE * self.pixels, OVERLAP * self.pixels)
        return latents

    @torch.no_grad()
    def decode(self, latents: Tensor, tell: Tell = log) -> Tensor:
        """The picture of latents, Float32[batch height width 3] in 0..1.

        One too large for the device's memory is decoded in tiles, which changes it slightly; `tell` is then told.

        Raises:
            DiffusionError: the latents are another family's.
        """
        self._check(latents)
        planes = _if_it_fits(self._decoded, latents, "decoded", tell)
        if planes is None:
            planes = self._in_tilings(self._decoded, latents, TILE, OVERLAP)
        return _picture(planes)

    @torch.no_grad()
    def decode_tiled(self, latents: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
        """As `decode`, tile by tile: the mean of three tilings (of videos one), so that no seam shows. Sizes in latents."""
        self._check(latents)
        return _picture(self._in_tilings(self._decoded, latents, tile, overlap))

    @torch.no_grad()
    def encode_tiled(self, image: Tensor, tile: int = 512, overlap: int = 64) -> Tensor:
        """As `encode`, tile by tile. Sizes in pixels."""
        return self._in_tilings(self._encoded, self._planes(image), tile, overlap)

    def fitted(self, image: Tensor) -> Tensor:
        """A picture [batch height width channel] cut evenly on both sides to whole latents."""
        height, width = image.shape[1:3]
        top, left = height % self.pixels // 2, width % self.pixels // 2
        tall, wide = height // self.pixels * self.pixels, width // self.pixels * self.pixels
        return image[:, top : top + tall, left : left + wide]

    def _check(self, latents: Tensor) -> None:
        if not latents.numel():
            raise DiffusionError(
                f"samples is empty: {list(latents.shape)}.",
                "Look at what cut them; a batch, a frame or a side is 0.",
            )
        if latents.ndim in (4, 2 + self.coding.axes) and latents.shape[1] == self.channels:
            return
        whose = families(latents.shape[1], latents.ndim - 2)
        kind = {3: "a sound's", 4: "a picture's", 5: "a video's"}.get(latents.ndim, "")
        said = f"{kind} with {latents.shape[1]} channels" + (f", as of {whose}" if whose else "")
        ours = families(self.channels, self.coding.axes)
        raise DiffusionError(
            f"The latents are {said}; this VAE decodes {self.channels} channels of a picture"
            + (f" ({ours})." if ours else "."),
            "Connect the VAE of the model that made the latents.",
        )

    def _planes(self, image: Tensor) -> Tensor:
        count, height, width, channels = image.shape
        if not count or min(height, width) < self.pixels:
            raise DiffusionError(
                f"pixels holds {count} pictures of {width} x {height}; a VAE needs one at least, of {self.pixels} x "
                f"{self.pixels} pixels or more.",
                "Use a larger picture.",
            )
        if channels < PLANES:
            raise DiffusionError(
                f"pixels has {channels} channel{'s' if channels > 1 else ''}; a VAE encodes three.",
                "Convert Image to Mask and then Convert Mask to Image make gray three channels.",
            )
        return self.fitted(image)[..., :3].movedim(-1, 1)

    def _encoded(self, planes: Tensor) -> Tensor:
        asked = (planes.float() * 2.0 - 1.0).to(self.device, self.dtype)
        return self.coding.encode(self.module, asked).float().cpu()

    def _decoded(self, latents: Tensor) -> Tensor:
        asked = latents.to(self.device, self.dtype)
        return self.coding.decode(self.module, asked).float().cpu()

    def _in_tilings(self, coder: Coder, planes: Tensor, tile: int, overlap: int) -> Tensor:
        several = TILINGS if self.coding.axes == PICTURE_AXES else TILINGS[:1]
        tilings = [(int(tile * tall), int(tile * wide)) for tall, wide in several]
        total: Tensor | None = None  # not all tilings at once: memory may be what is short
        for size in tilings:
            made = _one_by_one(lambda item, size=size: _tiled(coder, item, size, overlap), planes)
            total = made if total is None else total.add_(made)
        assert total is not None
        return total.div_(len(tilings))


def _one_by_one(coder: Coder, planes: Tensor) -> Tensor:
    """Each item alone, so that its result does not depend on its batch."""
    return torch.cat([coder(planes[place : place + 1]) for place in range(len(planes))])


def _if_it_fits(coder: Coder, planes: Tensor, done: str, tell: Tell) -> Tensor | None:
    """Each item alone and whole; None if the memory does not suffice.

    Once this has returned, nothing holds what was computed until then: the error's traceback would.
    """
    try:
        return _one_by_one(coder, planes)
    except (RuntimeError, MemoryError) as error:
        if not is_no_memory(error):
            raise
        tell(TOO_LITTLE.format(done))
        return None


def _tiled(coder: Coder, planes: Tensor, tile: tuple[int, int], overlap: int) -> Tensor:
    """Tiles of a size joined by linear ramps of `overlap` on their sides."""
    height, width = planes.shape[-2:]
    total: Tensor | None = None
    weights: Tensor | None = None
    for rows in _spans(height, tile[0], overlap):
        for columns in _spans(width, tile[1], overlap):
            made = coder(planes[..., rows, columns])
            up = made.shape[-1] / (columns.stop - columns.start)
            place = tuple(slice(round(part.start * up), round(part.stop * up)) for part in (rows, columns))
            if total is None or weights is None:
                size = round(height * up), round(width * up)
                total, weights = made.new_zeros((*made.shape[:-2], *size)), made.new_zeros(size)
            ramp = _ramp(made, max(1, round(overlap * up)))
            total[(..., *place)] += made * ramp
            weights[place] += ramp
    assert total is not None and weights is not None
    return total.div_(weights)


def _spans(size: int, tile: int, overlap: int) -> Iterator[slice]:
    if size <= tile:
        yield slice(0, size)
        return
    if overlap > tile:  # the field then makes one tile and leaves the rest empty; here others lie beside it
        overlap = 0
    elif overlap == tile:
        overlap = tile // 2
    for start in range(0, size - overlap, tile - overlap):
        yield slice(start, min(start + tile, size))


def _ramp(made: Tensor, width: int) -> Tensor:
    """Weights that rise from each side over `width` places, along sides that are longer; more than 0 everywhere.

    Float[height width].
    """
    ramp = made.new_ones(made.shape[-2:])
    for axis in (-2, -1):
        size = made.shape[axis]
        if size <= width:
            continue
        places = torch.arange(size, dtype=made.dtype)
        rise = (places + 1).clamp(max=width) * (size - places).clamp(max=width) / width**2
        ramp = ramp * (rise[:, None] if axis == -2 else rise)
    return ramp


def _picture(planes: Tensor) -> Tensor:
    return ((planes + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1).contiguous()
