"""CLIP as packs hold it: prompts to tokens, tokens (changed ones too) to conditioning."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor

from nodes.builtin.embeddings import embeddings
from nodes.builtin.encoding import encoded
from nodes.compat.clip_stage import ClipPatcher, SD1Tokenizer, stage_of
from nodes.compat.clip_stage import given as token_of
from nodes.compat.conditioning import cond_pair
from nodes.compat.faced import Face, context, session
from nodes.compat.standing import Refusal, refuse
from nodes.diffusion.text import Prompts
from nodes.diffusion.text.encoder import Encoding, TextEncoder
from nodes.diffusion.text.families import read_prompt
from nodes.diffusion.text.reading import Reading
from nodes.diffusion.text.tokens import Tokens
from nodes.diffusion.values import Clip, Cond
from nodes.spec import NodeError

WORD = 0  # what words are numbered by where nobody counts them


class TokenChunks(dict[str, Any]):
    """A prompt in tokens by encoder; `text` is what it was made of, `made` what it was then."""

    text: str = ""
    made: Mapping[str, Any] = {}


class CLIP(Face):
    """Text encoders: prompts to tokens, tokens to conditioning."""

    recipe: Clip
    tokenizer_options: Mapping[str, object] = {}
    apply_hooks_to_conds = None
    kept: Any = None  # makes a file of weights in memory; `comfy.sd` sets it
    generate = decode = Refusal("comfy.sd.CLIP's writing of texts")

    def __init__(self, recipe: Any = None, *_more: object, **_named: object) -> None:
        """Of a recipe; packs make theirs by `comfy.sd`'s loaders."""
        if not isinstance(recipe, Clip):
            refuse("comfy.sd.CLIP made by a pack: load a file instead")
        super().__init__(recipe)
        self.patches: dict[Any, Any] = {}

    def clone(self, *_more: object, **_named: object) -> Any:
        """Another one like it; changing either leaves the other alone."""
        made = copy(self)
        made.patches = {name: list(each) for name, each in self.patches.items()}
        return made

    @property
    def cond_stage_model(self) -> Any:
        """The encoders themselves."""
        return stage_of(self)

    @property
    def tokenizer(self) -> Any:
        """What makes tokens of prompts."""
        return SD1Tokenizer(self)

    @property
    def patcher(self) -> Any:
        """What `load_model_gpu` takes, and what changes its weights."""
        return ClipPatcher(self)

    def add_patches(
        self, patches: Mapping[Any, Any], strength_patch: float = 1.0, strength_model: float = 1.0
    ) -> list[Any]:
        """Change weights by name; the names that it has come back."""
        return self.patcher.add_patches(patches, strength_patch, strength_model)

    def get_key_patches(self) -> dict[str, Any]:
        """{name: [(weight, what makes it whole)]}, which can be put on another one."""
        return self.patcher.get_key_patches()

    def load_model(self, tokens: object = None) -> Any:
        """The pool loads it when it is used."""
        del tokens
        return self.patcher

    def get_sd(self) -> dict[str, Tensor]:
        """Its weights by name, changes and all."""
        return self.cond_stage_model.state_dict()

    def state_dict_for_saving(self) -> dict[str, Tensor]:
        """The same."""
        return self.get_sd()

    def load_sd(self, sd: Mapping[str, Tensor], full_model: bool = False) -> tuple[list[str], list[str]]:
        """Have other weights, those that are given; names that are missing, and names that it does not have."""
        own = self.get_sd()
        stored = dict(sd) if full_model or any(name in own for name in sd) else _with_part(own, sd)
        changes = {name: ("set", (each,)) for name, each in stored.items() if name in own}
        self.patcher.add_patches(changes)
        return [name for name in own if name not in stored], [name for name in stored if name not in own]

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
        cond = self.read(tokens, projected=return_pooled != "unprojected")
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
            read = (self.read(tokens).with_extra(add_dict or {}),)
        return [cond_pair(cond) for cond in read]

    def encode(self, text: str) -> Tensor:
        """The conditioning of a text."""
        return self.encode_from_tokens(self.tokenize(text))

    def set_tokenizer_option(self, option_name: str, value: object) -> None:
        """Kept for who asks."""
        self.tokenizer_options = {**self.tokenizer_options, option_name: value}

    def read(self, tokens: Mapping[str, Any], *, projected: bool = True) -> Cond:
        """Tokens as conditioning.

        Args:
            projected: the pooled vector is the family's; else the one before its projection.
        """
        if projected and not _changed(tokens):
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
                name: Tokens([[token_of(*each) for each in chunk] for chunk in tokens[name]])
                for name in tokens
            }
            if not projected:
                encoders = {name: _unprojected(each) for name, each in encoders.items()}
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


def _unprojected(encoder: Any) -> Any:
    if not isinstance(encoder, TextEncoder):
        return encoder
    return replace(encoder, kind=replace(encoder.kind, projected=False))


def _with_part(own: Mapping[str, Tensor], sd: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of one encoder, named as in its own file, by the names of the whole."""
    for prefix in dict.fromkeys(name.partition(".")[0] + ".transformer." for name in own):
        if any(prefix + name in own for name in sd):
            return {prefix + name: each for name, each in sd.items()}
    return dict(sd)


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
