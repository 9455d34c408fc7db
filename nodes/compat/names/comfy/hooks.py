"""`comfy.hooks`: changes of weights that last while a condition that carries them is computed."""

import sys

from nodes.compat.hooks import (
    AdditionalModelsHook,
    EnumHookMode,
    EnumHookType,
    Hook,
    HookGroup,
    HookKeyframe,
    HookKeyframeGroup,
    InjectionsHook,
    ObjectPatchHook,
    TransformerOptionsHook,
    WeightHook,
    group_of,
)
from nodes.compat.names.comfy.sd import kept
from nodes.compat.standing import complete

__all__ = [
    "AdditionalModelsHook",
    "EnumHookMode",
    "EnumHookType",
    "Hook",
    "HookGroup",
    "HookKeyframe",
    "HookKeyframeGroup",
    "InjectionsHook",
    "ObjectPatchHook",
    "TransformerOptionsHook",
    "WeightHook",
]


def create_hook_lora(lora, strength_model, strength_clip):
    """A group of one hook, of a LoRA's weights."""
    return group_of(kept(lora), strength_model, strength_clip)


def set_hooks_for_conditioning(cond, hooks, append_hooks=True, cache=None):
    """Conditions that carry hooks: beside those that they have, or (`append_hooks` False) in their place.

    Args:
        cache: {(hooks of a condition, hooks): both}, so that conditions that share hooks share what they come to.
    """
    if hooks is None:
        return cond
    cache = {} if cache is None else cache
    made = []
    for text, options in cond:
        before = options.get("hooks") if append_hooks else None
        if (before, hooks) not in cache:
            cache[before, hooks] = HookGroup.combine_all_hooks([before, hooks])
        made.append([text, {**options, "hooks": cache[before, hooks]}])
    return made


complete("comfy.hooks", sys.modules[__name__])
