"""What conditions say beside their text, by the field's names in `Cond.extra`, as a network reads it.

Each family reads what it was trained with and leaves the rest alone: pictures to start from (inpainting, editing by
words, upscaling), sizes (Podell et al. 2023, arXiv:2307.01952, section 2.2), guidance, pictures to refer to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.noise_levels import scaled_linear_betas
from nodes.diffusion.regions import Rectangle, for_batch, rectangle
from nodes.diffusion.resembling import Seen, resembled
from nodes.diffusion.values import Cond, Conditioning

BLANK = (
    0.8223,
    -0.6876,
    0.6364,
    0.1380,
)  # a gray picture's latents, as the network of Stable Diffusion 1 gets them
MASK_CHANNELS = 1
MASK_SIDE = 8  # pixels of a latent that FLUX.1 Fill is told one by one
COLOURS = 3
NOISIEST, NOISING_BETAS, NOISING_SEED = 350, (0.0001, 0.02), 10  # of the x4 upscaler's small picture
GUIDANCE = 3.5  # of models that were trained with it, where nobody says another; None asks without
BEAUTY = (6.0, 2.5)  # how beautiful each side is said to be, positive and negative, where nobody says it


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a run and its network say beside its conditions.

    Attributes:
        seed: of the run.
        latents: what the run starts from without its noise, at the model's scale, Float[batch channel height width].
        mask: where the run may change them, 1 there, Float[batch channel height width]; None: everywhere.
        seen: how the network was trained to be shown pictures; None: it is shown none.
    """

    seed: int = 0
    latents: Tensor | None = None
    mask: Tensor | None = None
    seen: Seen | None = None


NOTHING_GIVEN = Given()
REFERENCES, PICTURES, SMALL, BIAS, START, PAINTED = (
    "reference_latents",
    "unclip_conditioning",
    "concat_image",
    "attention_mask",
    "concat_latent_image",
    "concat_mask",
)
SAID = {  # what people are told that a model does not read
    REFERENCES: "pictures to refer to (ReferenceLatent)",
    PICTURES: "pictures to resemble (unCLIPConditioning)",
    SMALL: "a small picture to enlarge (SD_4XUpscale_Conditioning)",
    BIAS: "how much attention is paid to a style (attn_bias of Apply Style Model)",
    START: "a picture beside its latents (concat_latent_image, of InpaintModelConditioning and others)",
    PAINTED: "a mask beside its latents (concat_mask, of InpaintModelConditioning and others)",
}


def unread(conditionings: Iterable[Conditioning], reads: Set[str], family: str) -> Sequence[str]:
    """What to tell people of things that prompts say and a network does not read.

    Args:
        reads: of the names in `SAID`, those that it reads.
        family: the network's, as people call it.
    """
    said = {name for side in conditionings for cond in side for name in SAID if _says(cond, name)}
    return tuple(
        f"{family} does not read {SAID[name]}." for name in SAID if name in said and name not in reads
    )


def _says(cond: Cond, name: str) -> bool:
    value = cond.extra.get(name)
    return _of_axes(value, 3) is not None if name == BIAS else bool(value is not None)


def inputs_of(
    cond: Cond,
    side: int,
    latents: Tensor,
    place: Rectangle,
    form: LatentFormat,
    given: Given = NOTHING_GIVEN,
) -> NetworkInputs:
    """What a network is told of one condition.

    Args:
        side: 0 positive, 1 negative.
        latents: the noisy latents as a whole, Float[batch channel height width].
        place: the part of them that it is asked about.
    """
    batch, device = len(latents), latents.device
    pooled = None if cond.pooled is None else for_batch(cond.pooled, batch)
    guidance = _number(cond.extra.get("guidance", GUIDANCE))
    beauty = _number(cond.extra.get("aesthetic_score"))
    sizes = torch.tensor([_sizes(cond.extra, latents, form)], device=device)
    return NetworkInputs(
        pooled=pooled,
        joined=joined(cond.extra, latents, place, form, given),
        sizes=sizes.expand(batch, -1),
        beauty=torch.full((batch,), BEAUTY[min(side, 1)] if beauty is None else beauty, device=device),
        guidance=None if guidance is None else torch.full((batch,), guidance, device=device),
        references=tuple(
            for_batch(form.to_model(entry.to(latents)), batch) for entry in _tensors(cond, REFERENCES)
        ),
        reference_method=str(cond.extra.get("reference_latents_method") or ""),
        token_mask=_of_batch(_of_axes(cond.extra.get("attention_mask"), 2), batch),
        bias=_of_batch(_of_axes(cond.extra.get("attention_mask"), 3), batch),
        bias_grid=_grid(cond.extra.get("attention_mask_img_shape")),
        layers=_of_batch(cond.extra.get("conditioning_llama3"), batch),
        more_text=_of_batch(cond.extra.get("conditioning_mt5xl"), batch),
        more_mask=_of_batch(cond.extra.get("attention_mask_mt5xl"), batch),
        first_stage=_first_stage(cond.extra, latents, place),
        noisiness=torch.full((batch,), _noisiness(cond.extra), device=device)
        if form.joined == COLOURS
        else None,
        resembled=(None if given.seen is None else resembled(cond.extra, given.seen, given.seed, latents)),
    )


def reads_beside(form: LatentFormat) -> Set[str]:
    """Of the names in `SAID`, those that `joined` makes channels of for a network of this format."""
    further = form.joined - form.channels
    if further in {MASK_CHANNELS, MASK_SIDE**2}:
        return {START, PAINTED}
    if further == 0:
        return {START}
    return {SMALL} if form.joined == COLOURS else set[str]()


def joined(
    extra: Mapping[str, object],
    latents: Tensor,
    place: Rectangle,
    form: LatentFormat,
    given: Given = NOTHING_GIVEN,
) -> Tensor | None:
    """What a network reads as further channels of its latents, cut to a place; None for one that has none.

    One channel more than the latents is a mask and what it leaves of the picture; as many are a picture; three are a
    small picture's colours; a mask's pixels one by one and the picture are FLUX.1 Fill's. What of mask and picture
    nobody says is the run's own, where it has a mask.
    """
    channels = latents.shape[1]
    if form.joined == MASK_CHANNELS + channels:
        whole = torch.cat((_mask(extra, latents, given), _masked(extra, latents, form, given)), 1)
    elif form.joined == channels + MASK_SIDE**2:
        mask = _mask(extra, latents, given, MASK_SIDE)
        whole = torch.cat((_masked(extra, latents, form, given), F.pixel_unshuffle(mask, MASK_SIDE)), 1)
    elif form.joined == channels and channels != len(BLANK):
        whole = _masked(extra, latents, form, NOTHING_GIVEN)
    elif form.joined == channels:
        whole = _shown(extra.get("concat_latent_image"), latents, torch.zeros_like(latents))
    elif form.joined == COLOURS:
        blank = latents.new_zeros(len(latents), COLOURS, *latents.shape[-2:])
        whole = _noised(_shown(extra.get("concat_image"), latents, blank), _noisiness(extra))
    else:
        return None
    return place.cut(whole)


def together(
    inputs: Sequence[NetworkInputs], conds: tuple[int, ...], sides: tuple[int, ...]
) -> NetworkInputs:
    """The inputs of one call for several conditions, each a part of its batch."""
    first = inputs[0]
    return NetworkInputs(
        pooled=_all(inputs, lambda one: one.pooled),
        sides=sides,
        conds=conds,
        joined=_all(inputs, lambda one: one.joined),
        sizes=_all(inputs, lambda one: one.sizes),
        beauty=_all(inputs, lambda one: one.beauty),
        guidance=_all(inputs, lambda one: one.guidance),
        references=tuple(
            torch.cat([one.references[index] for one in inputs]) for index in range(len(first.references))
        ),
        reference_method=first.reference_method,
        token_mask=_all(inputs, lambda one: one.token_mask),
        bias=_all(inputs, lambda one: one.bias),
        bias_grid=first.bias_grid,
        resembled=_all(inputs, lambda one: one.resembled),
        layers=_all(inputs, lambda one: one.layers),
        noisiness=_all(inputs, lambda one: one.noisiness),
        more_text=_all(inputs, lambda one: one.more_text),
        more_mask=_all(inputs, lambda one: one.more_mask),
        first_stage=_all(inputs, lambda one: one.first_stage),
    )


def item_of(inputs: NetworkInputs, item: int) -> NetworkInputs:
    """What one item of a batch is told."""
    return of_rows(inputs, slice(item, item + 1))


def of_rows(inputs: NetworkInputs, rows: Tensor | slice) -> NetworkInputs:
    """What some items of a batch are told, by number."""
    told = {entry.name: getattr(inputs, entry.name) for entry in fields(inputs)}
    parts = {name: value[rows] for name, value in told.items() if isinstance(value, Tensor)}
    return replace(inputs, **parts, references=tuple(entry[rows] for entry in inputs.references))


def fit_together(one: NetworkInputs, other: NetworkInputs) -> bool:
    """Whether a single call can be told both: the same things, of the same shapes."""
    return _shapes(one) == _shapes(other)


def _sizes(extra: Mapping[str, object], latents: Tensor, form: LatentFormat) -> list[float]:
    """Six numbers in the order in which Stable Diffusion XL was told them; what nobody says is the picture's own."""

    def said(name: str, otherwise: float | int) -> float:
        number = _number(extra.get(name))
        return float(otherwise) if number is None else number

    height = said("height", latents.shape[-2] * form.pixels)
    width = said("width", latents.shape[-1] * form.pixels)
    target = said("target_height", height), said("target_width", width)
    return [height, width, said("crop_h", 0.0), said("crop_w", 0.0), *target]


def _mask(extra: Mapping[str, object], latents: Tensor, given: Given, finer: int = 1) -> Tensor:
    """Where the model paints: 1 there, Float[batch 1 height*finer width*finer]; everywhere, where nothing is said."""
    said = extra.get("concat_mask")
    if not isinstance(said, Tensor) and given.mask is not None:
        said = given.mask[:, :MASK_CHANNELS]
    size = tuple(side * finer for side in latents.shape[-2:])
    blank = latents.new_ones(len(latents), MASK_CHANNELS, *size)
    if not isinstance(said, Tensor):
        return blank
    planes = said.reshape(-1, MASK_CHANNELS, *said.shape[-2:])
    return for_batch(_sized(planes, blank).round(), len(latents))


def _masked(extra: Mapping[str, object], latents: Tensor, form: LatentFormat, given: Given) -> Tensor:
    """The picture to paint in, at the model's scale: what is said, else what a masked run starts from, else gray."""
    blank = (
        latents.new_tensor(BLANK).reshape(1, -1, 1, 1).expand_as(latents)
        if latents.shape[1] == len(BLANK)
        else None
    )
    shown = extra.get("concat_latent_image")
    scaled = form.to_model(shown.to(latents)) if isinstance(shown, Tensor) else None
    if scaled is None and given.mask is not None:
        scaled = given.latents
    return _shown(scaled, latents, torch.zeros_like(latents) if blank is None else blank)


def _shown(picture: object, latents: Tensor, blank: Tensor) -> Tensor:
    """A picture at the latents' size, for each of the batch."""
    if not isinstance(picture, Tensor):
        return blank
    return for_batch(_sized(picture, latents), len(latents))


def _sized(planes: Tensor, latents: Tensor) -> Tensor:
    placed = planes.to(latents)
    if placed.shape[-2:] == latents.shape[-2:]:
        return placed
    return F.interpolate(placed, latents.shape[-2:], mode="bilinear")


def _noisiness(extra: Mapping[str, object]) -> int:
    """How noisy an upscaler's small picture is made: a timestep of its table."""
    return round((_number(extra.get("noise_augmentation")) or 0.0) * NOISIEST)


def _noised(picture: Tensor, timestep: int) -> Tensor:
    """A small picture as an upscaler was trained to read it: with noise, the same at every step of a run.

    Source: Ho et al. 2022 (arXiv:2106.15282), section 3, conditioning augmentation.
    """
    clean = float((1.0 - scaled_linear_betas(*NOISING_BETAS)).cumprod(0)[timestep])
    chance = torch.Generator().manual_seed(NOISING_SEED)
    noise = torch.randn(picture.shape, generator=chance).to(picture)
    return picture * clean**0.5 + noise * (1.0 - clean) ** 0.5


def _first_stage(extra: Mapping[str, object], latents: Tensor, place: Rectangle) -> Tensor | None:
    """What stage C of Stable Cascade made, of the part that is asked about."""
    made = _of_batch(_of_axes(extra.get("stable_cascade_prior"), 4), len(latents))
    height, width = latents.shape[-2:]
    if made is None or place == rectangle(None, height, width):
        return made
    whole = F.interpolate(made.to(latents), (height, width), mode="bilinear", align_corners=True)
    return place.cut(whole)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _tensors(cond: Cond, name: str) -> list[Tensor]:
    entries = cond.extra.get(name)
    if not isinstance(entries, list | tuple):
        return []
    return [entry for entry in cast("Sequence[object]", entries) if isinstance(entry, Tensor)]


def _of_batch(value: object, batch: int) -> Tensor | None:
    return for_batch(value, batch) if isinstance(value, Tensor) else None


def _of_axes(value: object, axes: int) -> Tensor | None:
    return value if isinstance(value, Tensor) and value.ndim == axes else None


def _grid(value: object) -> tuple[int, int]:
    if isinstance(value, list | tuple):
        sides = [side for side in cast("Sequence[object]", value) if isinstance(side, int)]
        if len(sides) == 2:
            return sides[0], sides[1]
    return 1, 1


def _all(inputs: Sequence[NetworkInputs], read: Callable[[NetworkInputs], Tensor | None]) -> Tensor | None:
    parts = [part for part in map(read, inputs) if part is not None]
    return torch.cat(parts) if len(parts) == len(inputs) else None


def _shapes(inputs: NetworkInputs) -> tuple[object, ...]:
    told = (inputs.pooled, inputs.joined, inputs.guidance, inputs.token_mask, inputs.resembled)
    tensors = (*told, inputs.layers, inputs.bias, inputs.more_text, inputs.more_mask, inputs.first_stage)
    return (
        inputs.reference_method,
        inputs.bias_grid,
        *(None if tensor is None else tuple(tensor.shape) for tensor in tensors),
        tuple(tuple(reference.shape) for reference in inputs.references),
    )
