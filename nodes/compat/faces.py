"""MODEL, CLIP and VAE as packs hold them: objects over our recipes, with the field's methods.

What they do is done by our own networks, loaded by the pool as part of the node that calls; back at the border a face
becomes its recipe again. What is not here refuses and says so (`standing`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nodes.builtin.embeddings import embeddings
from nodes.builtin.encoding import encoded
from nodes.builtin.models import models
from nodes.compat import current
from nodes.compat.conditioning import cond_pair
from nodes.compat.formats import face_of
from nodes.compat.standing import Refusal, refuse
from nodes.diffusion.pool import Session
from nodes.diffusion.text import Prompts
from nodes.diffusion.text.encoder import Encoding, TextEncoder
from nodes.diffusion.text.families import read_prompt
from nodes.diffusion.text.reading import Reading
from nodes.diffusion.text.tokens import Token, Tokens
from nodes.diffusion.vae import PixelCoder, VaeCoder
from nodes.diffusion.values import PIXEL_SPACE, Clip, Cond, Model, Vae
from nodes.spec import Context, NodeError

CELLS, CELLS_SHARED = 64, 16  # of a tile of latents, where nobody says
PIXELS, PIXELS_SHARED = 512, 64
PIXEL_KEY = "pixel_space_vae"
WORD = 0  # what words are numbered by where nobody counts them


def context() -> Context:
    """Of the node that runs.

    Raises:
        NodeError: none does.
    """
    call = current.running()
    if call is None:
        raise NodeError(
            "A model was used while no node runs.",
            "Tell the pack's author: models can be used from a node's own function alone.",
        )
    return call.context


@contextmanager
def session() -> Iterator[Session]:
    """Loaded models, for the node that runs."""
    with models(context()) as loaded:
        yield loaded


class Face:
    """Something of the host around a recipe.

    Args:
        recipe: what it becomes at the border.
    """

    recipe: Any

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Face) and self.recipe == other.recipe

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.recipe))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"Weft's {type(self).__name__} has no {name!r}: this part of the host is not offered to packs yet.",
            name=name,
            obj=self,
        )

    def clone(self) -> Any:
        """Another one like it; changing either leaves the other alone."""
        return copy(self)


class VAE(Face):
    """Between pictures [batch height width channel] in 0..1 and latents [batch channel height width]."""

    recipe: Vae
    crop_input = True
    not_video = True
    output_device = torch.device("cpu")

    def __init__(self, sd: Any = None, *_more: object, **_named: object) -> None:
        """Of a recipe; of weights alone those that say that there is none, for models that work on pixels."""
        if isinstance(sd, Mapping) and PIXEL_KEY in sd:
            sd = PIXEL_SPACE
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


class TokenChunks(dict[str, Any]):
    """A prompt in tokens by encoder; `text` is what it was made of, `made` what it was then."""

    text: str = ""
    made: Mapping[str, Any] = {}


class CLIP(Face):
    """Text encoders: prompts to tokens, tokens to conditioning."""

    recipe: Clip
    tokenizer_options: Mapping[str, object] = {}
    add_patches = load_model = get_key_patches = generate = Refusal("comfy.sd.CLIP's weights")

    @property
    def layer_idx(self) -> int | None:
        """Which layer is read."""
        return self.recipe.last_layer

    @property
    def use_clip_schedule(self) -> bool:
        """Whether it is read once for each strength of its hooks."""
        return self.recipe.scheduled

    def clip_layer(self, layer_idx: int) -> None:
        """Read another layer from now on."""
        self.recipe = replace(self.recipe, last_layer=layer_idx)

    def tokenize(self, text: str, return_word_ids: bool = False, **more: object) -> TokenChunks:
        """By encoder, chunks of (number or vector, weight), with a third number each where they are asked for."""
        del more
        made = TokenChunks()
        find = embeddings(context())
        with session() as loaded:
            for name, encoder in loaded.text(self.recipe).items():
                made[name] = _chunks(encoder, text, partial(find, encoder=name), return_word_ids)
        made.text, made.made = (
            text,
            {name: [list(chunk) for chunk in chunks] for name, chunks in made.items()},
        )
        return made

    def encode_from_tokens(
        self, tokens: Mapping[str, Any], return_pooled: bool | str = False, return_dict: bool = False
    ) -> Any:
        """The conditioning of tokens, changed ones too; with its pooled vector, or as a dict of all there is."""
        cond = self._read(tokens)
        if return_dict:
            return {"cond": cond.context, "pooled_output": cond.pooled, **cond.extra}
        return (cond.context, cond.pooled) if return_pooled else cond.context

    def encode_from_tokens_scheduled(
        self,
        tokens: Mapping[str, Any],
        unprojected: bool = False,
        add_dict: Mapping[str, Any] | None = None,
        show_pbar: bool = True,
    ) -> list[Any]:
        """As conditioning on a wire; `add_dict` goes beside it."""
        del unprojected, show_pbar
        if self.recipe.hooks is not None and not _changed(tokens):
            read = encoded(context(), self.recipe, _text(tokens), add_dict or {})
        else:
            read = (self._read(tokens).with_extra(add_dict or {}),)
        return [cond_pair(cond) for cond in read]

    def encode(self, text: str) -> Tensor:
        """The conditioning of a text."""
        return self.encode_from_tokens(self.tokenize(text))

    def set_tokenizer_option(self, option_name: str, value: object) -> None:
        """Kept for who asks."""
        self.tokenizer_options = {**self.tokenizer_options, option_name: value}

    def _read(self, tokens: Mapping[str, Any]) -> Cond:
        if not _changed(tokens):
            return encoded(context(), replace(self.recipe, hooks=None), _text(tokens))[0]
        with session() as loaded:
            encoders = loaded.text(self.recipe)
            other = [name for name in tokens if not isinstance(encoders.get(name), TextEncoder)]
            if other:
                raise NodeError(
                    f"Tokens of {', '.join(other)} were changed, which this encoder cannot read.",
                    "Only tokens of CLIP's text models can be changed by packs here.",
                )
            given = {
                name: Tokens([[_token(*each) for each in chunk] for chunk in tokens[name]]) for name in tokens
            }
            reading = _Given(
                encoders, Prompts(""), self.recipe.last_layer, padding=self.recipe.padding, given=given
            )
            read: Encoding = read_prompt(self.recipe.kind, reading)
        return Cond(read.context, read.pooled, extra=read.extra)


@dataclass(frozen=True, slots=True, eq=False)
class _Given(Reading):
    """A reading of tokens that somebody else has made."""

    given: Mapping[str, Tokens] = field(default_factory=dict[str, Tokens])

    def tokens(self, name: str) -> Tokens:
        """Those of the encoder; none where it got none."""
        return self.given.get(name, Tokens([]))


def _chunks(encoder: Any, text: str, find: Any, numbered: bool) -> list[list[tuple[Any, ...]]]:
    if not isinstance(encoder, TextEncoder):
        return [[(text, 1.0, WORD) if numbered else (text, 1.0)]]
    chunks = encoder.tokenizer.read(text, find).chunks
    return [
        [
            (
                token.id if token.vector is None else token.vector,
                token.weight,
                *(
                    (WORD if token.id in (encoder.tokenizer.start, encoder.tokenizer.end) else place,)
                    if numbered
                    else ()
                ),
            )
            for place, token in enumerate(chunk)
        ]
        for chunk in chunks
    ]


def _token(what: Any, weight: float = 1.0, *_more: object) -> Token:
    return (
        Token(0, float(weight), what, "given")
        if isinstance(what, Tensor)
        else Token(int(what), float(weight))
    )


def _changed(tokens: Mapping[str, Any]) -> bool:
    if not isinstance(tokens, TokenChunks) or tokens.keys() != tokens.made.keys():
        return True
    return any(
        len(chunks) != len(tokens.made[name])
        or any(not _alike(now, then) for now, then in zip(chunks, tokens.made[name], strict=True))
        for name, chunks in tokens.items()
    )


def _alike(now: list[tuple[Any, ...]], then: list[tuple[Any, ...]]) -> bool:
    return len(now) == len(then) and all(
        a[1:] == b[1:] and (a[0] is b[0] or (not isinstance(a[0], Tensor) and a[0] == b[0]))
        for a, b in zip(now, then, strict=True)
    )


def _text(tokens: Mapping[str, Any]) -> str:
    return tokens.text if isinstance(tokens, TokenChunks) else ""


class Sampling:
    """The noise levels of a model: `model_sampling`, to be read."""

    def __init__(self, levels: Any) -> None:
        self.levels = levels

    @property
    def sigmas(self) -> Tensor:
        """All of them, rising."""
        return self.levels.sigmas

    @property
    def log_sigmas(self) -> Tensor:
        """Their logarithms."""
        return self.levels.sigmas.log()

    @property
    def sigma_min(self) -> Tensor:
        """The lowest."""
        return torch.tensor(self.levels.minimum)

    @property
    def sigma_max(self) -> Tensor:
        """The highest."""
        return torch.tensor(self.levels.maximum)

    def sigma(self, timestep: Tensor) -> Tensor:
        """Of a place of the table."""
        return self.levels.sigma(timestep)

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told."""
        return self.levels.timestep(sigma)

    def percent_to_sigma(self, percent: float) -> float:
        """Where a share of the run is done."""
        return self.levels.at_percent(percent)


class ModelPatcher(Face):
    """A model: its noise levels and latents can be read; what is put into it by packs refuses."""

    recipe: Model
    parent = None

    def __init__(self, recipe: Model) -> None:
        super().__init__(recipe)
        self.model_options: dict[str, Any] = {"transformer_options": {}}

    def clone(self, *_more: object, **_named: object) -> Any:
        """Another one like it."""
        made = copy(self)
        made.model_options = {**self.model_options, "transformer_options": {}}
        return made

    def is_clone(self, other: object) -> bool:
        """Whether both are of one checkpoint."""
        return isinstance(other, ModelPatcher) and other.recipe.checkpoint == self.recipe.checkpoint

    @property
    def load_device(self) -> torch.device:
        """Where it computes."""
        with session() as loaded:
            return loaded.pool.placement.device

    @property
    def offload_device(self) -> torch.device:
        """Where it waits."""
        return torch.device("cpu")

    @property
    def model(self) -> Any:
        """The model inside: what can be read of it."""
        return _Inside(self)

    def get_model_object(self, name: str) -> Any:
        """`model_sampling` or `latent_format`."""
        return getattr(_Inside(self), name)

    def model_dtype(self) -> torch.dtype:
        """What its weights are kept in."""
        return torch.float32

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("set_", "add_", "patch_", "unpatch_", "remove_")):
            return Refusal(f"ModelPatcher.{name}")
        return super().__getattr__(name)


class _Inside:
    """`BaseModel`, to be read."""

    def __init__(self, patcher: ModelPatcher) -> None:
        self._patcher = patcher

    @property
    def model_sampling(self) -> Sampling:
        """Its noise levels."""
        with session() as loaded:
            return Sampling(loaded.network(self._patcher.recipe).levels)

    @property
    def latent_format(self) -> Any:
        """How its latents are scaled."""
        with session() as loaded:
            return face_of(loaded.network(self._patcher.recipe).latent_format)()

    def process_latent_in(self, latent: Tensor) -> Tensor:
        """From the VAE's scale to the model's."""
        return self.latent_format.process_in(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """From the model's scale to the VAE's."""
        return self.latent_format.process_out(latent)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"Weft's model has no {name!r}: this part of the host is not offered to packs yet.",
            name=name,
            obj=self,
        )


KINDS: Mapping[type, type[Face]] = {Model: ModelPatcher, Clip: CLIP, Vae: VAE}
