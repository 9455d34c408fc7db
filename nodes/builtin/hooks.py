"""Hooks: changes of weights that last only while some conditions are computed, and how strong they are over a run."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from nodes.builtin.conditioning import Percent
from nodes.builtin.kinds import ClipIn, ClipOut, HooksIn, HooksOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import reference, there, told
from nodes.diffusion.models.detect import Part, contents
from nodes.diffusion.values import Hook, HookGroup, HookKeyframe, HookKeyframeGroup
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, Out, Socket, node

CREATE, SCHEDULING, COMBINE = (
    "advanced/hooks/create",
    "advanced/hooks/scheduling",
    "advanced/hooks/combine",
)
EASINGS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda share: share,
    "ease_in": lambda share: share * share,
    "ease_out": lambda share: 1.0 - (1.0 - share) ** 2,
    "ease_in_out": lambda share: (1.0 - math.cos(math.pi * share)) / 2.0,
}
Lora = Annotated[str, Combo(folder="loras")]
Checkpoint = Annotated[str, Combo(folder="checkpoints")]
HookStrength = Annotated[float, Float(minimum=-20.0, maximum=20.0, step=0.01)]
KeyframesIn = Annotated[HookKeyframeGroup | None, Socket("HOOK_KEYFRAMES", optional=True)]
KeyframesOut = Annotated[HookKeyframeGroup, Out("HOOK_KEYFRAMES", "HOOK_KF")]


@node(
    "CreateHookLora",
    name="Create Hook LoRA",
    category=CREATE,
    experimental=True,
    change_token=content_of("loras", "lora_name"),
)
def create_hook_lora(
    ctx: Context,
    lora_name: Lora,
    strength_model: HookStrength = 1.0,
    strength_clip: HookStrength = 1.0,
    prev_hooks: HooksIn = None,
) -> HooksOut:
    """A LoRA that counts only for the prompts that carry it."""
    return _with(ctx, prev_hooks, "loras", lora_name, strength_model, strength_clip)


@node(
    "CreateHookLoraModelOnly",
    name="Create Hook LoRA (MO)",
    category=CREATE,
    experimental=True,
    change_token=content_of("loras", "lora_name"),
)
def create_hook_lora_model_only(
    ctx: Context, lora_name: Lora, strength_model: HookStrength = 1.0, prev_hooks: HooksIn = None
) -> HooksOut:
    """A LoRA that counts only for the prompts that carry it, and leaves the text encoder alone."""
    return _with(ctx, prev_hooks, "loras", lora_name, strength_model, 0.0)


@node(
    "CreateHookModelAsLora",
    name="Create Hook Model as LoRA",
    category=CREATE,
    experimental=True,
    change_token=content_of("checkpoints", "ckpt_name"),
)
def create_hook_model_as_lora(
    ctx: Context,
    ckpt_name: Checkpoint,
    strength_model: HookStrength = 1.0,
    strength_clip: HookStrength = 1.0,
    prev_hooks: HooksIn = None,
) -> HooksOut:
    """Another checkpoint whose difference from the model counts only for the prompts that carry it."""
    return _with_model(ctx, prev_hooks, ckpt_name, strength_model, strength_clip)


@node(
    "CreateHookModelAsLoraModelOnly",
    name="Create Hook Model as LoRA (MO)",
    category=CREATE,
    experimental=True,
    change_token=content_of("checkpoints", "ckpt_name"),
)
def create_hook_model_as_lora_model_only(
    ctx: Context, ckpt_name: Checkpoint, strength_model: HookStrength = 1.0, prev_hooks: HooksIn = None
) -> HooksOut:
    """The same, with the text encoder left alone."""
    return _with_model(ctx, prev_hooks, ckpt_name, strength_model, 0.0)


@node("CreateHookKeyframe", name="Create Hook Keyframe", category=SCHEDULING, experimental=True)
def create_hook_keyframe(
    ctx: Context,
    strength_mult: HookStrength = 1.0,
    start_percent: Percent = 0.0,
    prev_hook_kf: KeyframesIn = None,
) -> KeyframesOut:
    """From a share of the run on, hooks count so many times as much."""
    return _keyframes(prev_hook_kf).with_keyframe(HookKeyframe(strength_mult, start_percent))


@node(
    "CreateHookKeyframesInterpolated",
    name="Create Hook Keyframes Interp.",
    category=SCHEDULING,
    experimental=True,
)
def create_hook_keyframes_interpolated(
    ctx: Context,
    strength_start: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.001)] = 1.0,
    strength_end: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.001)] = 1.0,
    *,
    interpolation: Annotated[str, Combo(tuple(EASINGS))],
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
    keyframes_count: Annotated[int, Int(minimum=2, maximum=100, step=1)] = 5,
    print_keyframes: Annotated[bool, Boolean()] = False,
    prev_hook_kf: KeyframesIn = None,
) -> KeyframesOut:
    """Keyframes from one strength to another."""
    ease = EASINGS[interpolation]
    strengths = [
        strength_start + (strength_end - strength_start) * ease(share)
        for share in _even(0.0, 1.0, keyframes_count)
    ]
    return _spread(ctx, prev_hook_kf, strengths, start_percent, end_percent, print_keyframes)


@node(
    "CreateHookKeyframesFromFloats",
    name="Create Hook Keyframes From Floats",
    category=SCHEDULING,
    experimental=True,
)
def create_hook_keyframes_from_floats(
    ctx: Context,
    floats_strength: Annotated[
        float | Iterable[float],
        Socket("FLOATS", force_input=True, extra={"default": -1, "min": -1, "step": 0.001}),
    ],
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
    print_keyframes: Annotated[bool, Boolean()] = False,
    prev_hook_kf: KeyframesIn = None,
) -> KeyframesOut:
    """One keyframe for each number, evenly over a share of the run."""
    try:
        strengths = (
            [float(entry) for entry in floats_strength]
            if isinstance(floats_strength, Iterable)
            else [float(floats_strength)]
        )
    except (TypeError, ValueError) as error:
        raise NodeError(
            f"The input floats_strength is no number and no list of numbers ({error}).",
            "Connect a node that gives numbers.",
        ) from error
    return _spread(ctx, prev_hook_kf, strengths, start_percent, end_percent, print_keyframes)


@node("SetHookKeyframes", name="Set Hook Keyframes", category=SCHEDULING, experimental=True)
def set_hook_keyframes(
    ctx: Context,
    hooks: Annotated[HookGroup | None, Socket("HOOKS")],
    hook_kf: KeyframesIn = None,
) -> HooksOut:
    """Let the strength of hooks change over the run."""
    return hooks if hooks is None or hook_kf is None else hooks.with_keyframes(hook_kf)


@node("SetClipHooks", name="Set CLIP Hooks", category="advanced/hooks/clip", experimental=True)
def set_clip_hooks(
    ctx: Context,
    clip: ClipIn,
    apply_to_conds: Annotated[bool, Boolean()] = True,
    schedule_clip: Annotated[bool, Boolean()] = False,
    hooks: HooksIn = None,
) -> ClipOut:
    """Read prompts with hooks on the text encoder.

    `apply_to_conds` hands them on to what is read; `schedule_clip` reads once for each keyframe.
    """
    if hooks is None:
        return clip
    return replace(there(clip), hooks=hooks, hands_hooks_on=apply_to_conds, scheduled=schedule_clip)


@node("CombineHooks2", name="Combine Hooks [2]", category=COMBINE, experimental=True)
def combine_hooks_2(ctx: Context, hooks_A: HooksIn = None, hooks_B: HooksIn = None) -> HooksOut:
    """Hooks that work together."""
    return _combined((hooks_A, hooks_B))


@node("CombineHooks4", name="Combine Hooks [4]", category=COMBINE, experimental=True)
def combine_hooks_4(
    ctx: Context,
    hooks_A: HooksIn = None,
    hooks_B: HooksIn = None,
    hooks_C: HooksIn = None,
    hooks_D: HooksIn = None,
) -> HooksOut:
    """Hooks that work together."""
    return _combined((hooks_A, hooks_B, hooks_C, hooks_D))


@node("CombineHooks8", name="Combine Hooks [8]", category=COMBINE, experimental=True)
def combine_hooks_8(
    ctx: Context,
    hooks_A: HooksIn = None,
    hooks_B: HooksIn = None,
    hooks_C: HooksIn = None,
    hooks_D: HooksIn = None,
    hooks_E: HooksIn = None,
    hooks_F: HooksIn = None,
    hooks_G: HooksIn = None,
    hooks_H: HooksIn = None,
) -> HooksOut:
    """Hooks that work together."""
    return _combined((hooks_A, hooks_B, hooks_C, hooks_D, hooks_E, hooks_F, hooks_G, hooks_H))


def _with(
    ctx: Context, before: HookGroup | None, folder: str, name: str, model: float, clip: float
) -> HookGroup:
    """The hooks so far and one more; at no strength the file is not opened."""
    group = HookGroup() if before is None else before
    if model == 0.0 and clip == 0.0:
        return group
    return group.with_hooks(HookGroup((Hook(reference(ctx, folder, name), model, clip),)))


def _with_model(ctx: Context, before: HookGroup | None, name: str, model: float, clip: float) -> HookGroup:
    """The hooks so far and a checkpoint; what it lacks is left alone, and that is told."""
    file = reference(ctx, "checkpoints", name)
    with told():
        parts = contents(file.path)
    if clip and Part.TEXT not in parts:
        ctx.say(f"{name} holds no text encoder: prompts are read without it.")
        clip = 0.0
    if model and Part.NETWORK not in parts:
        ctx.say(f"{name} holds no diffusion model: the model stays as it is.")
        model = 0.0
    group = HookGroup() if before is None else before
    return group.with_hooks(HookGroup((Hook(file, model, clip, whole=True),)))


def _combined(groups: Sequence[HookGroup | None]) -> HookGroup | None:
    made: HookGroup | None = None
    for group in groups:
        if group is not None:
            made = group if made is None else made.with_hooks(group)
    return made


def _keyframes(before: HookKeyframeGroup | None) -> HookKeyframeGroup:
    return HookKeyframeGroup() if before is None else before


def _spread(
    ctx: Context,
    before: HookKeyframeGroup | None,
    strengths: Sequence[float],
    start: float,
    end: float,
    tells: bool,
) -> HookKeyframeGroup:
    """Keyframes at even shares of the run; only the first is sure of a step."""
    made = _keyframes(before)
    for index, (share, strength) in enumerate(zip(_even(start, end, len(strengths)), strengths, strict=True)):
        made = made.with_keyframe(HookKeyframe(strength, share, 1 if index == 0 else 0))
        if tells:
            ctx.say(f"Keyframe at {share:.3f} of the run: {strength:.3f}.")
    return made


def _even(start: float, end: float, count: int) -> list[float]:
    return [start + (end - start) * index / max(count - 1, 1) for index in range(count)]


NODES = (
    create_hook_lora,
    create_hook_lora_model_only,
    create_hook_model_as_lora,
    create_hook_model_as_lora_model_only,
    create_hook_keyframe,
    create_hook_keyframes_interpolated,
    create_hook_keyframes_from_floats,
    set_hook_keyframes,
    set_clip_hooks,
    combine_hooks_2,
    combine_hooks_4,
    combine_hooks_8,
)
