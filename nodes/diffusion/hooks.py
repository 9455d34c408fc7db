"""Hooks over a run: how strong the patches are that some conditions put on a network, by its keyframes and noise levels."""

from collections.abc import Sequence

from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.values import HookGroup, HookKeyframe, HookPatch


def patches_of(hooks: HookGroup, levels: NoiseLevels, passed: Sequence[float]) -> tuple[HookPatch, ...]:
    """What hooks put on a network at the last of the sigmas that a run has passed."""
    made = (
        (hook, hook.strength_model * strength(hook.keyframes.keyframes, levels, passed))
        for hook in hooks.hooks
    )
    return tuple(hook.patch(share) for hook, share in made if share)


def strength(keyframes: Sequence[HookKeyframe], levels: NoiseLevels, passed: Sequence[float]) -> float:
    """How many times as much a hook counts at the last of the sigmas passed; 1 without keyframes.

    A keyframe whose time has come follows the one at work, once that has had the steps it was guaranteed. One that begins
    before the run does is guaranteed none.
    """
    if not keyframes:
        return 1.0
    starts = [levels.at_percent(entry.start) for entry in keyframes]
    current, steps = 0, 0
    for sigma in passed:
        guaranteed = 0 if starts[current] > passed[0] else keyframes[current].guaranteed
        if steps >= guaranteed:
            for following in range(current + 1, len(keyframes)):
                if starts[following] < sigma:
                    break
                current, steps = following, 0
                if keyframes[following].guaranteed and starts[following] <= passed[0]:
                    break
        steps += 1
    return keyframes[current].strength


def passed_with(passed: Sequence[float], sigma: float) -> list[float]:
    """The sigmas that a run has passed and another one; a higher one begins a new run, an equal one is the same step."""
    if not passed or sigma > passed[-1]:
        return [sigma]
    return list(passed) if sigma == passed[-1] else [*passed, sigma]
