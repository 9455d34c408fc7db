"""Hooks as packs hold them: objects in groups, changed in place; at the border they are values of ours and back.

What changes weights crosses. Other kinds can be made and grouped; a group that has one refuses when it reaches our nodes.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from enum import Enum
from typing import Any

from nodes.compat.standing import refuse
from nodes.diffusion import values
from nodes.diffusion.values import CheckpointRef


class EnumHookMode(Enum):
    """What is spared; Weft's pool decides."""

    MinVram = "minvram"
    MaxSpeed = "maxspeed"


class EnumHookType(Enum):
    """Kinds of hooks, as their classes are called."""

    Weight = "weight"
    TransformerOptions = "transformer_options"
    AdditionalModels = "additional_models"
    Injections = "injections"
    ObjectPatch = "object_patch"


class HookKeyframe:
    """From a share of the run on, hooks count `strength` times as much, for at least `guarantee_steps`."""

    def __init__(self, strength: float, start_percent: float = 0.0, guarantee_steps: int = 1) -> None:
        self.strength, self.start_percent, self.guarantee_steps = strength, start_percent, guarantee_steps

    def clone(self) -> "HookKeyframe":
        """Another one like it."""
        return copy(self)


class HookKeyframeGroup:
    """Keyframes by start, those of one start in the order in which they came."""

    def __init__(self) -> None:
        self.keyframes: list[HookKeyframe] = []

    def add(self, keyframe: HookKeyframe) -> None:
        """One more."""
        self.keyframes = sorted((*self.keyframes, keyframe), key=lambda entry: entry.start_percent)

    def clone(self) -> "HookKeyframeGroup":
        """Another one like it; adding to either leaves the other alone."""
        made = HookKeyframeGroup()
        made.keyframes = [entry.clone() for entry in self.keyframes]
        return made

    def reset(self) -> None:
        """Begin anew: where a run is, the run itself knows."""


class Hook:
    """A change that lasts while a condition that carries it is computed."""

    hook_type: EnumHookType | None = None

    def __init__(self, *_more: object, **_named: object) -> None:
        self.hook_keyframe = HookKeyframeGroup()

    def clone(self) -> Any:
        """Another one like it, of the same weights."""
        made = copy(self)
        made.hook_keyframe = self.hook_keyframe.clone()
        return made

    def reset(self) -> None:
        """Begin anew."""
        self.hook_keyframe.reset()

    def said(self) -> object:
        """What makes it equal to another one."""
        return self


class WeightHook(Hook):
    """A LoRA, or another checkpoint, on the weights.

    Attributes:
        file, whole: of the value of ours that it stands for; None: it has no weights.
    """

    hook_type = EnumHookType.Weight

    def __init__(self, strength_model: float = 1.0, strength_clip: float = 1.0) -> None:
        super().__init__()
        self.strength_model, self.strength_clip = strength_model, strength_clip
        self.file: CheckpointRef | None = None
        self.whole = False

    def said(self) -> object:
        """Hooks of the same weights, strengths and keyframes are one."""
        return self if self.file is None else inner_hook(self)


class TransformerOptionsHook(Hook):
    """Options for the network."""

    hook_type = EnumHookType.TransformerOptions

    def __init__(self, transformers_dict: Mapping[str, Any] | None = None, *_more: object) -> None:
        super().__init__()
        self.transformers_dict = transformers_dict


class AdditionalModelsHook(Hook):
    """Further models."""

    hook_type = EnumHookType.AdditionalModels


class InjectionsHook(Hook):
    """Something put into the model."""

    hook_type = EnumHookType.Injections


class ObjectPatchHook(Hook):
    """A part of the model in another's place."""

    hook_type = EnumHookType.ObjectPatch


class HookGroup:
    """Hooks that work together."""

    def __init__(self) -> None:
        self.hooks: list[Any] = []

    def add(self, hook: Any) -> None:
        """One more; one that is there already is kept once."""
        if not self.contains(hook):
            self.hooks.append(hook)

    def remove(self, hook: Any) -> None:
        """Take one away; one that is not there is no harm."""
        self.hooks = [each for each in self.hooks if each.said() != hook.said()]

    def contains(self, hook: Any) -> bool:
        """Whether one is there."""
        return any(each.said() == hook.said() for each in self.hooks)

    def get_type(self, hook_type: EnumHookType) -> list[Any]:
        """Those of a kind."""
        return [each for each in self.hooks if each.hook_type == hook_type]

    def clone(self) -> "HookGroup":
        """Another one like it; changing either, or its hooks, leaves the other alone."""
        made = HookGroup()
        made.hooks = [each.clone() for each in self.hooks]
        return made

    def clone_and_combine(self, other: "HookGroup | None") -> "HookGroup":
        """Both in one of its own."""
        made = self.clone()
        for hook in other.clone().hooks if other is not None else ():
            made.add(hook)
        return made

    def set_keyframes_on_hooks(self, hook_kf: HookKeyframeGroup | None) -> None:
        """Let all of them go by keyframes; None: at full strength throughout."""
        for hook in self.hooks:
            hook.hook_keyframe = HookKeyframeGroup() if hook_kf is None else hook_kf.clone()

    def reset(self) -> None:
        """Begin anew."""
        for hook in self.hooks:
            hook.reset()

    @staticmethod
    def combine_all_hooks(
        hooks_list: "Iterable[HookGroup | None]", require_count: int = 0
    ) -> "HookGroup | None":
        """All in one: None of none, a single one itself. With `require_count`, None also of fewer groups than that."""
        found = [each for each in hooks_list if each is not None]
        if not found or len(found) < require_count:
            return None
        made = found[0]
        for other in found[1:]:
            made = made.clone_and_combine(other)
        return made


def outward(value: object) -> object:
    """A group of ours as packs hold it; None: it is no such value."""
    if isinstance(value, values.HookGroup):
        group = HookGroup()
        group.hooks = [_outer_hook(hook) for hook in value.hooks]
        return group
    return _outer_keyframes(value) if isinstance(value, values.HookKeyframeGroup) else None


def inward(value: object) -> object:
    """A group of a pack as ours; None: it is no such object.

    Raises:
        NotOffered: it has a hook that Weft cannot run.
    """
    if isinstance(value, HookGroup):
        made = values.HookGroup()
        for hook in value.hooks:
            made = made.with_hooks(values.HookGroup((inner_hook(hook),)))
        return made
    return _inner_keyframes(value) if isinstance(value, HookKeyframeGroup) else None


def group_of(file: CheckpointRef, strength_model: float, strength_clip: float) -> HookGroup:
    """One hook of a LoRA."""
    made = HookGroup()
    made.add(_outer_hook(values.Hook(file, float(strength_model), float(strength_clip))))
    return made


def inner_hook(hook: Any) -> values.Hook:
    """A hook as ours.

    Raises:
        NotOffered: it changes no weights, or has none.
    """
    if not isinstance(hook, WeightHook):
        refuse(f"a hook that changes no weights ({type(hook).__name__})")
    assert isinstance(hook, WeightHook)
    if hook.file is None:
        refuse("a comfy.hooks.WeightHook without weights: make it by create_hook_lora")
    assert hook.file is not None
    keyframes = _inner_keyframes(hook.hook_keyframe)
    return values.Hook(
        hook.file, float(hook.strength_model), float(hook.strength_clip), keyframes, hook.whole
    )


def _outer_hook(hook: values.Hook) -> WeightHook:
    made = WeightHook(hook.strength_model, hook.strength_clip)
    made.file, made.whole = hook.file, hook.whole
    made.hook_keyframe = _outer_keyframes(hook.keyframes)
    return made


def _outer_keyframes(keyframes: values.HookKeyframeGroup) -> HookKeyframeGroup:
    made = HookKeyframeGroup()
    for entry in keyframes.keyframes:
        made.add(HookKeyframe(entry.strength, entry.start, entry.guaranteed))
    return made


def _inner_keyframes(group: HookKeyframeGroup) -> values.HookKeyframeGroup:
    made = values.HookKeyframeGroup()
    for entry in group.keyframes:
        made = made.with_keyframe(
            values.HookKeyframe(float(entry.strength), float(entry.start_percent), int(entry.guarantee_steps))
        )
    return made
