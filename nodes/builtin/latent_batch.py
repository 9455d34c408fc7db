"""Batches of latents: joined, taken apart, repeated, regrouped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.checks import as_batch, same_family
from nodes.builtin.kinds import LatentIn, LatentOut
from nodes.diffusion.batches import repeated
from nodes.diffusion.latents import sized_as, stacked_slices
from nodes.diffusion.resize import resize
from nodes.diffusion.values import Cond, Conditioning, Latent
from nodes.spec import Combo, Context, Int, NodeError, Out, Socket, node

LARGEST = 16384
AXES = {"x": -1, "y": -2, "t": -3}
PIXELS = 8  # to one latent, for masks that are not there

LatentsIn = Annotated[Sequence[Latent], Socket("LATENT")]
LatentsOut = Annotated[list[Latent], Out("LATENT", is_list=True)]


@node("LatentBatch", category="latent/batch", deprecated=True)
def latent_batch(ctx: Context, samples1: LatentIn, samples2: LatentIn) -> LatentOut:
    """Both in one batch; the second is scaled to the size of the first."""
    same_family(samples1.samples, samples2.samples, ("samples1", "samples2"))
    return replace(
        samples1,
        samples=torch.cat((samples1.samples, sized_as(samples2.samples, samples1.samples))),
        batch_index=(*_index(samples1), *_index(samples2)),
    )


@node("LatentFromBatch", name="Latent From Batch", category="latent/batch")
def latent_from_batch(
    ctx: Context,
    samples: LatentIn,
    batch_index: Annotated[int, Int(minimum=0, maximum=63)] = 0,
    length: Annotated[int, Int(minimum=1, maximum=64)] = 1,
) -> LatentOut:
    """Some of a batch: so many, from one on (counted from 0). They keep the noise that they have in the batch."""
    count = len(samples.samples)
    start = min(max(0, batch_index + count if batch_index < 0 else batch_index), count - 1)
    part = slice(start, start + min(length, count - start))
    mask = samples.noise_mask
    if mask is not None and len(mask) > 1:
        mask = repeated(mask, count)[part].clone()
    index = samples.batch_index
    return replace(
        samples,
        samples=samples.samples[part].clone(),
        noise_mask=mask,
        batch_index=tuple(range(part.start, part.stop)) if index is None else index[part],
    )


@node("RepeatLatentBatch", name="Repeat Latent Batch", category="latent/batch")
def repeat_latent_batch(
    ctx: Context, samples: LatentIn, amount: Annotated[int, Int(minimum=1, maximum=64)] = 1
) -> LatentOut:
    """The whole batch so many times, each time with noise of its own."""
    mask, index = samples.noise_mask, samples.batch_index
    if mask is not None and len(mask) > 1:
        mask = repeated(mask, len(samples.samples) * amount)
    if index:
        step = max(index) - min(index) + 1
        index = tuple(entry + step * turn for turn in range(amount) for entry in index)
    whole = repeated(samples.samples, len(samples.samples) * amount)
    return replace(samples, samples=whole, noise_mask=mask, batch_index=index)


@node("LatentBatchSeedBehavior", category="latent/advanced")
def latent_batch_seed_behavior(
    ctx: Context,
    samples: LatentIn,
    seed_behavior: Annotated[str, Combo(("random", "fixed"), bare=False)] = "fixed",
) -> LatentOut:
    """Whether each latent of a batch gets noise of its own, or all get that of the first."""
    index = None
    if seed_behavior == "fixed":
        index = _index(samples)[:1] * len(samples.samples)
    return replace(samples, batch_index=index)


@node("LatentCutToBatch", category="latent/advanced")
def latent_cut_to_batch(
    ctx: Context,
    samples: LatentIn,
    dim: Annotated[str, Combo(("t", "x", "y"), bare=False)],
    slice_size: Annotated[int, Int(minimum=1, maximum=LARGEST, step=1)] = 1,
) -> LatentOut:
    """Slices along the width, the height or the time of latents as a batch. Latents of pictures have no time."""
    axis = samples.samples.ndim + AXES[dim]
    if axis < 2:
        return samples
    return samples.with_samples(stacked_slices(samples.samples, axis, slice_size))


@node("ReplaceVideoLatentFrames", category="latent/batch")
def replace_video_latent_frames(
    ctx: Context,
    destination: LatentIn,
    index: Annotated[int, Int(minimum=-LARGEST, maximum=LARGEST, step=1)] = 0,
    source: Annotated[Latent | None, Socket("LATENT", optional=True)] = None,
) -> LatentOut:
    """Frames of a video put in the place of others, from one on; a negative index counts from the end.

    Of pictures, whose latents have no frames, rows are meant: the third axis, as in the field.
    """
    if source is None:
        return destination
    frames, new = destination.samples.shape[2], source.samples.shape[2]
    start = index + frames if index < 0 else index
    if start < 0 or start + new > frames:
        ctx.say(f"Unchanged: {new} frames do not fit at {index} into {frames}.")
        return destination
    if (source.samples.shape[1], *source.samples.shape[3:]) != (
        destination.samples.shape[1],
        *destination.samples.shape[3:],
    ) or len(source.samples) not in (1, len(destination.samples)):
        raise NodeError(
            f"source is {list(source.samples.shape)} and destination {list(destination.samples.shape)}: they differ "
            "in more than frames.",
            "Use latents of one family and one size, as many of source or a single one.",
        )
    result = destination.samples.clone()
    result[:, :, start : start + new] = source.samples
    return source.with_samples(result)


@node("RebatchLatents", name="Rebatch Latents", category="latent/batch", takes_lists=True)
def rebatch_latents(
    ctx: Context,
    latents: LatentsIn,
    batch_size: Annotated[Sequence[int], Int(minimum=1, maximum=4096, extra={"default": 1})],
) -> LatentsOut:
    """All latents of a list in batches of one size; those of another width or height start a new batch."""
    size = batch_size[0]
    made: list[Latent] = []
    group = _Group()
    for item in _singles(latents):
        if group.samples and (len(group.samples) == size or group.shape != item.samples.shape[1:]):
            made.append(group.latent())
            group = _Group()
        group.add(item)
    return [*made, group.latent()] if group.samples else made


@node("ResolutionBucket", name="Resolution Bucket", category="dataset", takes_lists=True, experimental=True)
def resolution_bucket(
    ctx: Context,
    latents: LatentsIn,
    conditioning: Annotated[Sequence[Conditioning], Socket("CONDITIONING")],
) -> tuple[
    Annotated[list[Latent], Out("LATENT", "latents", is_list=True)],
    Annotated[list[Conditioning], Out("CONDITIONING", "conditioning", is_list=True)],
]:
    """Latents of one size in one batch each, with their conditionings, for training."""
    if len(latents) != len(conditioning):
        raise NodeError(
            f"There are {len(latents)} latents and {len(conditioning)} conditionings.",
            "Give each latent one conditioning.",
        )
    samples: dict[tuple[int, ...], list[Tensor]] = {}
    conds: dict[tuple[int, ...], list[Cond]] = {}
    for latent, cond in zip(latents, conditioning, strict=True):
        size = tuple(latent.samples.shape[-2:])
        for place, item in enumerate(latent.samples):
            samples.setdefault(size, []).append(item)
            conds.setdefault(size, []).append(cond[min(place, len(cond) - 1)])
    return [Latent(torch.stack(group)) for group in samples.values()], [
        tuple(group) for group in conds.values()
    ]


@dataclass(slots=True)
class _Group:
    """Single latents on their way into one batch."""

    samples: list[Tensor] = field(default_factory=list[Tensor])
    masks: list[Tensor] = field(default_factory=list[Tensor])
    index: list[int] = field(default_factory=list[int])

    @property
    def shape(self) -> torch.Size:
        return self.samples[0].shape[1:]

    def add(self, item: Latent) -> None:
        assert item.noise_mask is not None and item.batch_index is not None
        self.samples.append(item.samples)
        self.masks.append(item.noise_mask)
        self.index.extend(item.batch_index)

    def latent(self) -> Latent:
        masked = any(float(mask.mean()) != 1.0 for mask in self.masks)
        height, width = self.masks[0].shape[-2:]
        masks = [
            mask if mask.shape[-2:] == (height, width) else resize(mask, width, height, "bilinear")
            for mask in self.masks
        ]
        return Latent(torch.cat(self.samples), torch.cat(masks) if masked else None, tuple(self.index))


def _singles(latents: Sequence[Latent]) -> Iterator[Latent]:
    """Each latent alone, with a mask and a number."""
    so_far = 0
    for latent in latents:
        samples, mask = latent.samples, latent.noise_mask
        count = len(samples)
        if mask is None:
            mask = samples.new_ones(count, 1, samples.shape[-2] * PIXELS, samples.shape[-1] * PIXELS)
        mask = repeated(as_batch(mask)[:, None], count)
        index = latent.batch_index or tuple(range(so_far, so_far + count))
        for place in range(count):
            one = slice(place, place + 1)
            yield Latent(samples[one], mask[one], index[one])
        so_far += count


def _index(latent: Latent) -> tuple[int, ...]:
    return latent.batch_index or tuple(range(len(latent.samples)))


NODES = (
    latent_batch,
    latent_from_batch,
    repeat_latent_batch,
    latent_batch_seed_behavior,
    latent_cut_to_batch,
    replace_video_latent_frames,
    rebatch_latents,
    resolution_bucket,
)
