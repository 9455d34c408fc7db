"""The text encoders inside a CLIP, as packs hold them: `cond_stage_model` and its parts, `patcher`, `tokenizer`."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nodes.compat.faced import session
from nodes.compat.standing import refuse
from nodes.compat.surgery.patch_weights import Weights
from nodes.diffusion.text.encoder import TextEncoder
from nodes.diffusion.text.tokens import Token, Tokens

CLIPS = {"l": "clip_l", "g": "clip_g", "h": "clip_h"}  # encoders by the field's names of tokens, and of parts
NESTED = "text_model."
LAST = "last"


class SDClipModel:
    """One text encoder of a CLIP.

    Attributes:
        layer, layer_idx: which hidden state is read: "last", or "hidden" with its number from the end.
    """

    def __init__(self, clip: Any = None, name: str = "", *_more: object, **_named: object) -> None:
        if not hasattr(clip, "recipe"):
            refuse(f"comfy.sd1_clip.{type(self).__name__} made by a pack")
        self._clip, self.name = clip, name
        self.reset_clip_options()

    def set_clip_options(self, options: Mapping[str, Any]) -> None:
        """Read another layer, or the pooled vector without its projection, from now on."""
        layer = options.get("layer", self.layer_idx)
        self.layer_idx = None if layer in (None, LAST) else int(layer)
        self.layer = LAST if layer in (None, LAST) else "hidden"
        self.return_projected_pooled = bool(options.get("projected_pooled", self.return_projected_pooled))

    def reset_clip_options(self) -> None:
        """Read what the family reads."""
        self.layer, self.layer_idx, self.return_projected_pooled = LAST, None, True

    def encode_token_weights(self, token_weight_pairs: Any) -> tuple[Tensor, Tensor | None]:
        """Chunks of (number or vector, weight) to context [1 token feature] and pooled vector [1 feature]."""
        tokens = Tokens([[given(*pair) for pair in chunk] for chunk in token_weight_pairs])
        with session() as loaded:
            encoder = self._encoder(loaded)
            if not self.return_projected_pooled:
                encoder = replace(encoder, kind=replace(encoder.kind, projected=False))
            layer = self._clip.recipe.last_layer if self.layer_idx is None else self.layer_idx
            read = encoder.encode_tokens(tokens, layer)
        return read.context, read.pooled

    def encode(self, tokens: Any) -> tuple[Tensor, Tensor | None]:
        """Chunks of numbers."""
        return self.encode_token_weights([[(each, 1.0) for each in chunk] for chunk in tokens])

    def _encoder(self, loaded: Any) -> TextEncoder:
        encoder = loaded.text(self._clip.recipe)[self.name]
        if not isinstance(encoder, TextEncoder):
            refuse(f"tokens of the text encoder {self.name!r}")
        return encoder

    @property
    def transformer(self) -> Any:
        """The network itself, of transformers."""
        with session() as loaded:
            encoder: Any = loaded.text(self._clip.recipe)[self.name]
            return Transformer(encoder.model)

    def state_dict(self) -> dict[str, Tensor]:
        """Its weights."""
        with session() as loaded:
            encoder: Any = loaded.text(self._clip.recipe)[self.name]
            own = encoder.model.state_dict()
        outer = NESTED if self.name in CLIPS else ""
        return {f"transformer.{outer}{name.removeprefix(NESTED)}": each for name, each in own.items()}


class Transformer:
    """A text model of transformers; `text_model` is there, whether its class nests its parts there or not."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @property
    def text_model(self) -> Any:
        """Its inside."""
        return getattr(self._module, "text_model", self._module)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._module, name)


class SD1ClipModel:
    """All text encoders of a CLIP; each is an attribute as the field calls it (`clip_l`).

    Attributes:
        clip_name, clip: of the only one, where there is one.
    """

    def __init__(self, clip: Any = None, *_more: object, **_named: object) -> None:
        if not hasattr(clip, "recipe"):
            refuse(f"comfy.sd1_clip.{type(self).__name__} made by a pack")
        self._clip = clip
        with session() as loaded:
            names = list(loaded.text(clip.recipe))
        self._parts = {part_name(name): SDClipModel(clip, name) for name in names}
        self.clip_name, self.clip = names[0], part_name(names[0])

    def __getattr__(self, name: str) -> Any:
        parts = self.__dict__.get("_parts", {})
        if name in parts:
            return parts[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}.", name=name, obj=self)

    def set_clip_options(self, options: Mapping[str, Any]) -> None:
        """As for each of them."""
        for part in self._parts.values():
            part.set_clip_options(options)

    def reset_clip_options(self) -> None:
        """As for each of them."""
        for part in self._parts.values():
            part.reset_clip_options()

    def encode_token_weights(self, token_weight_pairs: Mapping[str, Any]) -> tuple[Any, ...]:
        """Tokens by encoder, read together as the family does; what else there is comes third, as a dict."""
        first = next(iter(self._parts.values()))
        clip = self._clip.clone()
        if first.layer_idx is not None:
            clip.clip_layer(first.layer_idx)
        read = clip.read(token_weight_pairs, projected=first.return_projected_pooled)
        return (read.context, read.pooled, dict(read.extra)) if read.extra else (read.context, read.pooled)

    def state_dict(self) -> dict[str, Tensor]:
        """Weights of all of them, each name after its encoder's."""
        return {
            f"{name}.{inner}": each
            for name, part in self._parts.items()
            for inner, each in part.state_dict().items()
        }

    def named_parameters(self) -> Iterable[tuple[str, Tensor]]:
        """The same, one by one."""
        return iter(self.state_dict().items())

    def load_sd(self, sd: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
        """Have other weights; names that are missing, and names that it does not have."""
        return self._clip.load_sd(sd)


class SDXLClipModel(SD1ClipModel):
    """Two encoders read together."""


class SDXLRefinerClipModel(SD1ClipModel):
    """The larger one alone."""


class SD3ClipModel(SD1ClipModel):
    """Two encoders and T5."""


class FluxClipModel(SD1ClipModel):
    """One encoder and T5."""


class StableCascadeClipModel(SD1ClipModel):
    """The larger one alone, for Stable Cascade."""


class SDXLClipG(SDClipModel):
    """The larger of two encoders."""


class T5XXLModel(SDClipModel):
    """T5."""


def part_name(name: str) -> str:
    """What the field calls an encoder inside a CLIP, from what it calls its tokens."""
    return CLIPS.get(name, name)


def stage_of(clip: Any) -> SD1ClipModel:
    """The encoders of a CLIP, of the class that packs ask for."""
    with session() as loaded:
        names = frozenset(loaded.text(clip.recipe))
    kinds: Mapping[frozenset[str], type[SD1ClipModel]] = {
        frozenset({"l", "g"}): SDXLClipModel,
        frozenset({"g"}): StableCascadeClipModel if "cascade" in clip.recipe.kind else SDXLRefinerClipModel,
        frozenset({"l", "t5xxl"}): FluxClipModel,
        frozenset({"l", "g", "t5xxl"}): SD3ClipModel,
    }
    made = kinds.get(names, SD1ClipModel)(clip)
    for name, kind in (("g", SDXLClipG), ("t5xxl", T5XXLModel)):
        if name in names:
            made._parts[part_name(name)] = kind(clip, name)  # noqa: SLF001 - of its own making
    return made


def given(what: Any, weight: float = 1.0, *_more: object) -> Token:
    """A token as packs hold it, as ours: a number of the vocabulary, or a vector."""
    if isinstance(what, Tensor):
        return Token(0, float(weight), what, "given")
    return Token(int(what), float(weight))


class ClipPatcher(Weights):
    """What `load_model_gpu` takes of a CLIP, and what changes its weights; it acts on that CLIP."""

    is_clip = True
    weight_inplace_update = False
    parent: Any = None

    def __init__(self, clip: Any) -> None:
        self.clip = clip
        self.model_options: dict[str, Any] = {"transformer_options": {}}
        self.patches: dict[Any, Any] = clip.patches
        self.patches_uuid = object()

    @property
    def recipe(self) -> Any:
        """That of the CLIP."""
        return self.clip.recipe

    @recipe.setter
    def recipe(self, value: Any) -> None:
        self.clip.recipe = value

    @property
    def model(self) -> SD1ClipModel:
        """The encoders."""
        return self.clip.cond_stage_model

    @property
    def load_device(self) -> torch.device:
        """Where it computes."""
        with session() as loaded:
            return loaded.pool.placement.device

    @property
    def offload_device(self) -> torch.device:
        """Where it waits."""
        return torch.device("cpu")

    def model_state_dict(self, filter_prefix: str | None = None) -> dict[str, Tensor]:
        """Weights by name."""
        named = self.model.state_dict()
        return {name: each for name, each in named.items() if name.startswith(filter_prefix or "")}

    def model_size(self) -> int:
        """Bytes of the weights."""
        return sum(each.numel() * each.element_size() for each in self.model_state_dict().values())

    def clone(self, *_more: object, **_named: object) -> "ClipPatcher":
        """That of a CLIP of its own."""
        return self.clip.clone().patcher

    def patch_model(self, *_more: object, **_named: object) -> SD1ClipModel:
        """The encoders; the pool puts patches on."""
        return self.model

    def unpatch_model(self, *_more: object, **_named: object) -> None:
        """The pool takes patches off."""

    def detach(self, *_more: object, **_named: object) -> SD1ClipModel:
        """The pool lets go of weights itself."""
        return self.model

    def is_clone(self, other: object) -> bool:
        """Whether both are of one file."""
        return isinstance(other, ClipPatcher) and other.recipe.checkpoint == self.recipe.checkpoint

    def get_model_object(self, name: str) -> Any:
        """A part by its dotted name."""
        found: Any = self.model
        for part in name.split("."):
            found = getattr(found, part)
        return found


class SDTokenizer:
    """The tokenizer of one encoder.

    Attributes:
        clip, name: whose.
    """

    max_length = 77

    def __init__(self, clip: Any = None, name: str = "", *_more: object, **_named: object) -> None:
        if not hasattr(clip, "recipe"):
            refuse(f"comfy.sd1_clip.{type(self).__name__} made by a pack")
        self.clip, self.name = clip, name

    @property
    def tokenizer(self) -> Any:
        """The vocabulary, of our own kind."""
        with session() as loaded:
            return getattr(loaded.text(self.clip.recipe)[self.name], "tokenizer", None)

    @property
    def start_token(self) -> int:
        """The number of what begins a chunk."""
        return self.tokenizer.start

    @property
    def end_token(self) -> int:
        """The number of what ends a prompt."""
        return self.tokenizer.end

    @property
    def pad_token(self) -> int:
        """The number of what fills a chunk."""
        return self.tokenizer.pad

    @property
    def embedding_directory(self) -> list[str]:
        """Where learned vectors lie."""
        return list(sys.modules["folder_paths"].get_folder_paths("embeddings"))

    @property
    def inv_vocab(self) -> dict[int, str]:
        """Words by number."""
        return {number: word for word, number in self.tokenizer.bpe.get_vocab().items()}

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **_more: object) -> Any:
        """Chunks of (number or vector, weight)."""
        return self.clip.tokenize(text, return_word_ids=return_word_ids)[self.name]

    def untokenize(self, token_weight_pair: Any) -> list[tuple[Any, str]]:
        """Each token with its word."""
        words = self.inv_vocab
        return [
            (pair, words.get(pair[0], "") if isinstance(pair[0], int) else "") for pair in token_weight_pair
        ]


class SD1Tokenizer:
    """The tokenizers of a CLIP; each is an attribute as the field calls it (`clip_l`)."""

    def __init__(self, clip: Any = None, *_more: object, **_named: object) -> None:
        if not hasattr(clip, "recipe"):
            refuse(f"comfy.sd1_clip.{type(self).__name__} made by a pack")
        self._clip = clip
        with session() as loaded:
            names = list(loaded.text(clip.recipe))
        self.clip_name, self.clip = names[0], part_name(names[0])
        for name in names:
            setattr(self, part_name(name), SDTokenizer(clip, name))

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **more: object) -> Any:
        """Tokens by encoder."""
        return self._clip.tokenize(text, return_word_ids=return_word_ids, **more)

    def untokenize(self, token_weight_pair: Any) -> list[tuple[Any, str]]:
        """Each token with its word."""
        return getattr(self, self.clip).untokenize(token_weight_pair)
