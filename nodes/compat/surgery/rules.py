"""A pack's changes of a model as rules: one for each moment at which they act. All of them hold the same `Changed`."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from nodes.compat.conditioning import cond_pair, conditioning
from nodes.compat.surgery.asking import control_of
from nodes.compat.surgery.base_model import CARRIED, Carried
from nodes.compat.surgery.changed import Changed
from nodes.compat.surgery.extension import CallbacksMP, WrapperExecutor, WrappersMP
from nodes.compat.surgery.extension import merge_nested_dicts as merged
from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, Network, NetworkInputs, Residuals
from nodes.diffusion.guidance.rule import AskSides, Evaluation
from nodes.diffusion.guidance.wrapped import Wrapped
from nodes.diffusion.sampling.loop import Run
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.values import Conditioning, Latent, Latents, Model, Rule


@dataclass(slots=True, eq=False)
class Asked(Wrapped):
    """A network that is asked through a pack's functions, with its patches inside.

    Attributes:
        base: the model as packs hold it. sigma: of the evaluation under way.
    """

    base: Any
    changed: Changed
    sigma: Callable[[], float]

    @property
    def apart(self) -> bool:
        """Packs' functions see both sides in one batch."""
        return False

    @property
    def denoises(self) -> bool:
        """As `Denoising`."""
        return True

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        """The estimate of clean latents."""
        del timestep
        sigmas = torch.full((len(latents),), self.sigma(), device=latents.device)
        control = control_of(residuals)
        options = self._options(sigmas, inputs)
        options[CARRIED] = Carried(self.network, inputs, residuals, changes, control)
        told: dict[str, Any] = {"c_crossattn": context, "transformer_options": options}
        named = {"y": inputs.pooled, "c_concat": inputs.joined, "control": control}
        told |= {name: value for name, value in named.items() if value is not None}
        wrapper = self.changed.options.get("model_function_wrapper")
        if wrapper is None:
            return self.base.apply_model(latents, sigmas, **told)
        asked = {
            "input": latents,
            "timestep": sigmas,
            "c": told,
            "cond_or_uncond": options["cond_or_uncond"],
        }
        return wrapper(self.base.apply_model, asked)

    def _options(self, sigmas: Tensor, inputs: NetworkInputs) -> dict[str, Any]:
        """`transformer_options` of one call, which nobody else has."""
        own: Mapping[str, Any] = self.changed.options.get("transformer_options") or {}
        made = merged(dict(own), {"wrappers": self.changed.wrappers, "callbacks": self.changed.callbacks})
        sides = inputs.sides or (0,)
        each = len(sigmas) // len(sides)
        made |= {"cond_or_uncond": list(sides), "sigmas": sigmas[:each], "uuids": list(inputs.conds)}
        return made


@dataclass(frozen=True, slots=True, eq=False)
class PackRule(Rule):
    """A moment of a pack's changes; two are equal if the changes are.

    Attributes:
        patcher: makes a patcher of the model without them.
    """

    changed: Changed
    patcher: Callable[[], Any]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.changed == getattr(other, "changed", None)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.changed))

    def told(self, at: Evaluation, **more: Any) -> dict[str, Any]:
        """What functions of packs are told of an evaluation."""
        sigma = torch.full((len(at.latents),), float(at.sigma), device=at.latents.device)
        return {
            "cond_scale": at.scale,
            "timestep": sigma,
            "input": at.latents,
            "sigma": sigma,
            "model": base_of(at.network),
            "model_options": self.changed.options,
            **more,
        }


class Stands(PackRule):
    """Before the network: function wrapper, wrappers, patches inside."""

    __slots__ = ()

    def wrap(self, network: Network, sigma: Callable[[], float], kept: dict[str, Any]) -> Network:
        """As `Wraps`."""
        if "base" not in kept:
            kept["base"] = self.patcher().model
            kept["base"].bind(network, None)
        return Asked(network, kept["base"], self.changed, sigma)

    def asked(self, at: Evaluation, sides: Sequence[Conditioning], ask: AskSides) -> Sequence[Latents]:
        """As `AsksSides`: what packs put around the asking for all conditions, and what they do before it."""
        base = base_of(at.network)
        sigma = torch.full((len(at.latents),), float(at.sigma), device=at.latents.device)
        for call in of_kind(self.changed.callbacks, CallbacksMP.ON_PREPARE_STATE):
            call(base.current_patcher, sigma, self.changed.options)
        inner: Any = self.changed.options.get("transformer_options") or {}
        kind = WrappersMP.CALC_COND_BATCH
        wrappers = of_kind(self.changed.wrappers, kind) + of_kind(inner.get("wrappers") or {}, kind)
        function = self.changed.options.get("sampler_calc_cond_batch_function")
        if not wrappers and function is None:
            return ask(sides)
        conds = [listed(side) for side in sides]
        known = {id(given): side for given, side in zip(conds, sides, strict=True)}

        def estimates(_model: Any, conds: Sequence[Any], x_in: Tensor, timestep: Tensor, options: Any) -> Any:
            del options
            if x_in is not at.latents or float(timestep.flatten()[0]) != float(at.sigma):
                raise ValueError("calc_cond_batch was asked for other latents than the sampler's.")
            return list(ask([known[id(each)] if id(each) in known else taken(each) for each in conds]))

        if function is not None:
            return function({"conds": conds, **self.told(at)})
        executor = WrapperExecutor.new_executor(estimates, wrappers)
        return executor.execute(base, conds, at.latents, sigma, self.changed.options)

    def run(self, guided: Any, latent: Latent, run: Run) -> Step | None:
        """As `RunsItself`: the field's order of things, so that all that packs have put around it is heard."""
        return import_module("nodes.compat.surgery.running").run_in_host(guided, latent, run)


class Before(PackRule):
    """`sampler_pre_cfg_function`."""

    __slots__ = ()

    def before(self, at: Evaluation) -> Sequence[Latents]:
        """As `ComesBefore`."""
        sides: list[Any] = list(at.sides)
        if len(sides) == 1:  # the negative side was not asked: packs find zeros there
            sides.append(torch.zeros_like(at.latents))
        for function in self.changed.options["sampler_pre_cfg_function"]:
            conds = [listed(at.conditions[0]), listed(at.conditions[1]) if len(at.sides) > 1 else None]
            sides = function(self.told(at, conds=conds, conds_out=sides))
        return sides if len(at.sides) > 1 else sides[:1]


class JoinsByPack(PackRule):
    """`sampler_cfg_function`."""

    __slots__ = ()

    def join(self, at: Evaluation) -> Latents:
        """As `Joins`."""
        negative = at.negative
        told = self.told(
            at,
            cond=at.latents - at.positive,
            uncond=at.latents - negative,
            cond_denoised=at.positive,
            uncond_denoised=negative,
            input_cond=listed(at.conditions[0]),
            input_uncond=listed(at.conditions[1]),
        )
        return at.latents - self.changed.options["sampler_cfg_function"](told)


class After(PackRule):
    """`sampler_post_cfg_function`."""

    __slots__ = ()

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        cond, uncond = listed(at.conditions[0]), listed(at.conditions[1]) if len(at.sides) > 1 else None
        for function in self.changed.options["sampler_post_cfg_function"]:
            told = self.told(at, denoised=guided, cond=cond, uncond=uncond)
            guided = function(told | {"cond_denoised": at.positive, "uncond_denoised": at.negative})
        return guided


class Both(PackRule):
    """`disable_cfg1_optimization`."""

    __slots__ = ()

    @property
    def needs_both(self) -> bool:
        """As `NeedsBoth`."""
        return True


MOMENTS: Mapping[str, type[PackRule]] = {
    "sampler_pre_cfg_function": Before,
    "sampler_cfg_function": JoinsByPack,
    "sampler_post_cfg_function": After,
    "disable_cfg1_optimization": Both,
}


def rules_of(changed: Changed, patcher: Callable[[], Any]) -> tuple[Rule, ...]:
    """The rules that a pack's changes come to; none, where nothing is changed."""
    if not changed:
        return ()
    found = (made for name, made in MOMENTS.items() if changed.options.get(name))
    return (Stands(changed, patcher), *(made(changed, patcher) for made in found))


def parted(model: Model) -> tuple[Model, Changed | None]:
    """A recipe without what packs have changed, and that; the last of several counts, as each holds those before it."""
    rules = [rule for rule in model.rules if isinstance(rule, PackRule)]
    if not rules:
        return model, None
    own = tuple(rule for rule in model.rules if not isinstance(rule, PackRule))
    return replace(model, rules=own), rules[-1].changed


def of_kind(kept: Mapping[Any, Any], kind: Any) -> list[Callable[..., Any]]:
    """All functions of a kind, in the order in which they came."""
    return [function for functions in (kept.get(kind) or {}).values() for function in functions]


def base_of(network: Any) -> Any:
    """The model as packs hold it, of a network that is asked through them."""
    while not isinstance(network, Asked):
        network = network.network
    return network.base


def convert_cond(cond: Sequence[Any]) -> list[dict[str, Any]]:
    """Each condition as a dict of its own: its text under `cross_attn`, and a name that nothing else has."""
    made: list[dict[str, Any]] = []
    for context, options in cond:
        entry = dict(options)
        if context is not None:
            entry["cross_attn"] = context
        entry["model_conds"] = dict(entry.get("model_conds", {}))
        entry["uuid"] = uuid.uuid4()
        made.append(entry)
    return made


def listed(side: Conditioning) -> list[dict[str, Any]]:
    """Conditions as samplers of the field hold them."""
    return convert_cond([cond_pair(cond) for cond in side])


def taken(side: Sequence[Mapping[str, Any]] | None) -> Conditioning:
    """Those again as ours."""
    made: Any = conditioning([[cond.get("cross_attn"), plain(cond)] for cond in side or ()])
    return made


def plain(cond: Mapping[str, Any]) -> dict[str, Any]:
    """A condition of the field's samplers as it was between nodes."""
    own = ("cross_attn", "model_conds", "uuid", "timestep_start", "timestep_end")
    return {name: value for name, value in cond.items() if name not in own}


__all__ = ["Asked", "PackRule", "base_of", "listed", "of_kind", "parted", "plain", "rules_of", "taken"]
