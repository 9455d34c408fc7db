"""Step caches: from one step to the next a model's answer changes little, so that some calls can be spared."""

import re
from typing import Annotated

from nodes.builtin.kinds import ModelIn, ModelOut
from nodes.builtin.shares import checked, told_if_empty
from nodes.diffusion.guidance import caching, sparing
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, String, node

Threshold = Annotated[float, Float(minimum=0.0, maximum=3.0, step=0.01)]
FineThreshold = Annotated[float, Float(minimum=0.0, maximum=3.0, step=0.005)]
Share = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)]
Switch = Annotated[bool, Boolean()]
FLUX, OWN, MEASURE = "FLUX.1", "own numbers", "measure"
MOST = 1000


@node("EasyCache", category="advanced/debug/model", experimental=True)
def easy_cache(
    ctx: Context,
    model: ModelIn,
    reuse_threshold: Threshold = 0.2,
    start_percent: Share = 0.15,
    end_percent: Share = 0.95,
    verbose: Switch = False,
) -> ModelOut:
    """Skip calls of the model where little changes from step to step; a higher threshold skips more."""
    told_if_empty(ctx, start_percent, end_percent)
    return model.ruled(caching.EasyCache(reuse_threshold, start_percent, end_percent, verbose))


@node("LazyCache", category="advanced/debug/model", experimental=True)
def lazy_cache(
    ctx: Context,
    model: ModelIn,
    reuse_threshold: Threshold = 0.2,
    start_percent: Share = 0.15,
    end_percent: Share = 0.95,
    verbose: Switch = False,
) -> ModelOut:
    """EasyCache for any model, simpler: whole steps are skipped."""
    told_if_empty(ctx, start_percent, end_percent)
    return model.ruled(caching.LazyCache(reuse_threshold, start_percent, end_percent, verbose))


@node("WeftFirstBlockCache", name="First-Block Cache", category="model_patches/speed")
def first_block_cache(
    ctx: Context,
    model: ModelIn,
    threshold: FineThreshold = 0.1,
    start_percent: Share = 0.0,
    end_percent: Share = 1.0,
) -> ModelOut:
    """Ask a transformer's first block alone where it says about what it said last time; a higher threshold spares more."""
    checked(start_percent, end_percent)
    return model.ruled(sparing.FirstBlockCache(threshold, start_percent, end_percent))


@node("WeftMagCache", name="MagCache", category="model_patches/speed")
def mag_cache(
    ctx: Context,
    model: ModelIn,
    table: Annotated[str, Combo((FLUX, OWN, MEASURE), bare=False)] = FLUX,
    numbers: Annotated[str, String(multiline=True)] = "",
    steps: Annotated[int, Int(minimum=1, maximum=MOST)] = 28,
    threshold: FineThreshold = 0.06,
    most_in_a_row: Annotated[int, Int(minimum=1, maximum=100)] = 3,
    rests_until: Share = 0.2,
) -> ModelOut:
    """Spare a transformer's blocks while what they add keeps its size, by a table that was measured once.

    `steps` are the sampler's. "measure" spares nothing, and the sampler says the numbers, for `numbers` with "own numbers".
    """
    return model.ruled(
        sparing.MagCache(_ratios(table, numbers), steps, threshold, most_in_a_row, rests_until)
    )


@node("WeftTaylorSeer", name="TaylorSeer", category="model_patches/speed")
def taylor_seer(
    ctx: Context,
    model: ModelIn,
    interval: Annotated[int, Int(minimum=1, maximum=100)] = 3,
    order: Annotated[int, Int(minimum=0, maximum=4)] = 1,
    warm_up: Annotated[int, Int(minimum=1, maximum=MOST)] = 3,
    end_percent: Share = 1.0,
) -> ModelOut:
    """Call the model every few steps, and continue its answers between; for samplers that call it once a step."""
    return model.ruled(sparing.TaylorSeer(interval, order, warm_up, end_percent))


def _ratios(table: str, text: str) -> tuple[float, ...]:
    """The numbers of a table; none where they are to be measured."""
    if table == MEASURE:
        return ()
    if table == FLUX:
        from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

        return tuple(float(ratio) for ratio in FLUX_MAG_RATIOS)
    words = [word for word in re.split(r"[\s,;\[\]]+", text) if word]
    try:
        ratios = tuple(float(word) for word in words)
    except ValueError as error:
        raise NodeError(
            f"numbers holds something that is no number: {error}.",
            "Paste what the sampler said with the table set to measure: numbers with commas between.",
        ) from error
    if not ratios or not all(0.0 < ratio < MOST for ratio in ratios):
        raise NodeError(
            "numbers has to hold the model's ratios, all above 0.",
            "Set the table to measure, run once, and paste what the sampler says.",
        )
    return ratios


NODES = (easy_cache, lazy_cache, first_block_cache, mag_cache, taylor_seer)
