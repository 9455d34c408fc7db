"""What work with a model will need of the device, before anything is loaded: from headers of files and shapes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.memory.blocks import sizes_of
from nodes.diffusion.memory.budget import Budget, DoesNotFit, Residence, Sizes, Step, housed
from nodes.diffusion.memory.estimate import META, Computing, of_decoding, of_encoding, of_network
from nodes.diffusion.memory.words import readable
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.files import open_weights, stamp_of
from nodes.diffusion.models.load import Placement, load_network, load_vae, weights_needed
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.vae import VaeCoder

DOWN = (".lora_down.weight", ".lora_A.weight", ".lora.down.weight")
UP = (".lora_up.weight", ".lora_B.weight", ".lora.up.weight")
TOKENS_SHORT, TOKENS_LONG = 77, 512  # of texts, for U-Nets and for transformers
READING = 50  # a text encoder computes with about this share of its weights
TILE = 64  # latents, as VAE Decode (Tiled) has it


@dataclass(frozen=True, slots=True)
class Need:
    """What a piece of work takes of the device, in bytes.

    Attributes:
        weights: of all models in it, changes on them included. computing: beside them.
        measured: whether computing is from shapes; else by a rule of thumb.
        residence: where the weights go; None: not even their blocks have room.
        least: the fewest bytes with which it would run. words: of all this, for the person.
    """

    weights: int
    computing: int
    measured: bool
    residence: Residence | None
    least: int
    words: str

    @property
    def peak(self) -> int:
        """The most bytes of the device at once."""
        return self.computing + (self.weights if self.residence is None else self.residence.held)

    @property
    def away(self) -> int:
        """Bytes of weights that are elsewhere."""
        return 0 if self.residence is None else self.residence.away


@dataclass(slots=True, eq=False)
class Foresight:
    """Says what work will need. What it has measured it remembers, by file and shape.

    Attributes:
        limit: bytes of the device; None: nobody knows.
    """

    placement: Placement
    budget: Budget
    limit: int | None
    _known: dict[tuple[object, ...], object] = field(default_factory=dict[tuple[object, ...], object])

    def sampling(
        self,
        path: Path,
        size: tuple[int, int] | None,
        count: int = 1,
        *,
        guided: bool = True,
        beside: Sequence[tuple[Path, Part]] = (),
        loras: Sequence[Path] = (),
    ) -> Need:
        """What a sampler needs.

        Args:
            path: the file of the network.
            size: height and width of the picture; None: that of the family's pictures is taken.
            count: pictures at a time. guided: whether positive and negative are asked together.
            beside: further networks that are asked at each step.
            loras: files of changes.

        Raises:
            DiffusionError: a file is wrong.
        """
        network = self._network(path)
        form = network.latent_format
        height, width = size or (1024, 1024)
        batch = 1 if self.placement.device.type == "cpu" else count * (2 if guided else 1)
        channels = form.channels
        places = [max(1, height // form.pixels), max(1, width // form.pixels)]
        shape = (batch, channels, *([1] if form.axes > 2 else []), *places)
        computing = self._measured(path, shape, network)
        sizes = sizes_of(network.module)
        changed = sum(_changed(lora, self.placement.dtype.itemsize) for lora in loras)
        other = sum(weights_needed(file, part, self.placement) for file, part in beside)
        rest = sizes.rest + min(changed, sizes.whole) + other
        return self._judged(replace(sizes, rest=rest), computing, "try eight bits, or a smaller picture")

    def computing(self, path: Path, latents: Sequence[int]) -> int:
        """Bytes that a sampler's calls take beside the weights, for latents of a shape. Errors as `sampling`."""
        network = self._network(path)
        batch = 1 if self.placement.device.type == "cpu" else 2 * latents[0]
        shape = (batch, network.latent_format.channels, *latents[2:])
        return self._measured(path, shape, network).size

    def decoding(
        self, path: Path, size: tuple[int, int] | None, *, tiled: bool = False, encode: bool = False
    ) -> Need:
        """What an autoencoder needs for a picture of a size in pixels. Errors as `sampling`."""
        coder = self._vae(path)
        height, width = size or (1024, 1024)
        if tiled:
            height, width = (min(side, TILE * 2 * coder.pixels) for side in (height, width))
        key = ("vae", path, stamp_of(path), height, width, encode)
        found = self._known.get(key)
        if not isinstance(found, Computing):
            tall, wide = max(1, height // coder.pixels), max(1, width // coder.pixels)
            found = (
                of_encoding(coder, (height, width))
                if encode
                else of_decoding(coder, (1, coder.channels, tall, wide))
            )
            self._known[key] = found
        sizes = Sizes((), sizes_of(coder.module).whole)
        if not tiled and self.limit is not None and found.size + sizes.whole > self.limit >= sizes.whole:
            smaller = self.decoding(path, size, tiled=True, encode=encode)
            return replace(
                smaller, words=f"comes in tiles: whole it needs {readable(found.size + sizes.whole)}"
            )
        return self._judged(sizes, found, "try VAE Decode (Tiled)")

    def reading(self, paths: Sequence[Path]) -> Need:
        """What text encoders need."""
        weights = sum(weights_needed(path, Part.TEXT, self.placement) for path in paths)
        return self._judged(
            Sizes((), weights), Computing(weights // READING, measured=False), "choose a smaller one"
        )

    def _judged(self, sizes: Sizes, computing: Computing, hint: str) -> Need:
        weights = sizes.whole
        if self.limit is None:
            whole = Residence(Step.WHOLE, (), weights, 0, weights)
            words = f"needs {readable(weights + computing.size)}"
            return Need(weights, computing.size, computing.measured, whole, weights + computing.size, words)
        free, least = self.limit - computing.size, min(sizes.least, weights) if sizes.blocks else weights
        try:
            residence = housed(sizes, free, self.budget.host, self.budget.mode)
        except DoesNotFit as error:
            needed = error.needed + computing.size
            words = f"cannot: needs {readable(needed)} of {readable(self.limit)}, {hint}"
            return Need(weights, computing.size, computing.measured, None, needed, words)
        words = f"will offload {readable(residence.away)}" if residence.away else "fits"
        return Need(weights, computing.size, computing.measured, residence, least + computing.size, words)

    def _network(self, path: Path) -> LoadedNetwork:
        key = ("network", path, stamp_of(path))
        found = self._known.get(key)
        if not isinstance(found, LoadedNetwork):
            found = self._known[key] = load_network(path, replace(self.placement, device=META))
        return found

    def _vae(self, path: Path) -> VaeCoder:
        key = ("coder", path, stamp_of(path))
        found = self._known.get(key)
        if not isinstance(found, VaeCoder):
            found = self._known[key] = load_vae(path, replace(self.placement, device=META))
        return found

    def _measured(self, path: Path, shape: Sequence[int], network: LoadedNetwork) -> Computing:
        key = ("computing", path, stamp_of(path), tuple(shape))
        found = self._known.get(key)
        if not isinstance(found, Computing):
            tokens = TOKENS_SHORT if network.family.folder == "unet" else TOKENS_LONG
            found = self._known[key] = of_network(network, shape, tokens)
        return found


def _changed(path: Path, itemsize: int) -> int:
    """Bytes of the weights that a LoRA changes, whose originals are kept beside them."""
    try:
        shapes = open_weights(path).shapes
    except DiffusionError:
        return 0
    total = 0
    for down, up in zip(DOWN, UP, strict=True):
        for name, shape in shapes.items():
            other = shapes.get(name.removesuffix(down) + up) if name.endswith(down) else None
            total += 0 if other is None else other[0] * prod(shape[1:]) * itemsize
    return total
