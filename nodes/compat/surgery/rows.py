"""Weft's samplers as the functions that packs call: `sample_euler(model, x, sigmas, extra_args, callback, disable, ...)`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import Seeds
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.sampling.loop import named
from nodes.diffusion.sampling.sampler import SamplerSetting

SEEDS = "weft_seeds"  # of `extra_args`: one for each item, where they are apart


@dataclass(frozen=True, slots=True, eq=False)
class Called:
    """A model in the field's form as a denoiser of ours."""

    model: Any
    extra_args: Mapping[str, Any]

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        """The estimate of clean latents."""
        return self.model(latents, self._each(latents, sigma), **self.extra_args)

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The guided estimate, and the negative side's alone."""
        own = getattr(self.model, "both", None)
        if own is not None:
            answer = own(latents, self._each(latents, sigma), **self.extra_args)
            if answer is not None:
                return answer
        heard: list[Tensor] = []

        def hear(args: Mapping[str, Any]) -> Tensor:
            heard[:] = [args["uncond_denoised"]]
            return args["denoised"]

        options = dict(self.extra_args.get("model_options") or {})
        before = options.get("sampler_post_cfg_function") or []
        options |= {"sampler_post_cfg_function": [*before, hear], "disable_cfg1_optimization": True}
        more = {**self.extra_args, "model_options": options}
        guided = self.model(latents, self._each(latents, sigma), **more)
        return guided, heard[0] if heard else guided

    def _each(self, latents: Tensor, sigma: Tensor) -> Tensor:
        return sigma.to(latents).reshape(1).expand(len(latents)).clone()


def row_function(name: str) -> Callable[..., Tensor]:
    """A sampler of the table by name, as packs call it."""

    def sample(
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: Mapping[str, Any] | None = None,
        callback: Callable[[dict[str, Any]], None] | None = None,
        disable: bool | None = None,
        **options: Any,
    ) -> Tensor:
        del disable
        row, extra = named(name), dict(extra_args or {})
        seeds: Seeds = extra.pop(SEEDS, None) or int(extra.get("seed") or 0)
        sampling = _sampling_of(model)
        setting = SamplerSetting(seeds, _mixing(sampling), _levels(sampling))
        sigmas = sigmas.detach().cpu().float()
        draw = options.pop("noise_sampler", None)
        known = {key: value for key, value in options.items() if key in row.options and value is not None}
        if len(sigmas) < 2:
            return x
        with _own_noise(row, draw) as used:
            before = x
            for step in used.steps(Called(model, extra), x, sigmas, setting, known):
                if callback is not None:
                    sigma = sigmas[step.index]
                    told = {"i": step.index, "x": before, "denoised": step.denoised}
                    callback(told | {"sigma": sigma, "sigma_hat": sigma})
                before = step.latents
        last = row.visited(sigmas, setting)[-1]
        if setting.mixing is Mixing.TRADED and last != sigmas[-1]:
            before = before / (1.0 - last) * (1.0 - sigmas[-1])
        return before

    sample.__name__ = sample.__qualname__ = f"sample_{name}"
    sample.__doc__ = f"Weft's {name}, as the field calls it."
    return sample


class _own_noise:  # noqa: N801 - used as a function
    """A sampler of the table, that draws from a pack's function where one is given."""

    def __init__(self, row: Any, draw: Callable[..., Tensor] | None) -> None:
        self.row, self.draw = row, draw

    def __enter__(self) -> Any:
        if self.draw is None:
            return self.row
        draw = self.draw

        class Drawing(type(self.row)):
            """Its noise is the pack's."""

            __slots__ = ()

            def _source(self, latents: Tensor, sigmas: Tensor, seeds: Seeds) -> Any:
                del latents, sigmas, seeds
                return lambda like, sigma, following: draw(torch.tensor(sigma), torch.tensor(following)).to(
                    like
                )

        parts = {name: getattr(self.row, name) for name in type(self.row).__slots__}
        return Drawing(**parts)

    def __exit__(self, *_error: object) -> None: ...


def _sampling_of(model: Any) -> Any:
    """The noise levels behind a model of the field's form; None where a pack's function stands for it."""
    for path in (("inner_model", "inner_model"), ("inner_model",), ()):
        found = model
        for name in path:
            found = getattr(found, name, None)
        sampling = getattr(found, "model_sampling", None) if found is not None else None
        if sampling is not None:
            return sampling
    return None


def _mixing(sampling: Any) -> Mixing:
    return cast("Mixing", getattr(sampling, "MIXING", Mixing.ADDED))


def _levels(sampling: Any) -> Any:
    if sampling is None:
        return from_betas(scaled_linear_betas())
    from nodes.compat.surgery.model_sampling import GivenLevels

    return getattr(sampling, "levels", None) or GivenLevels(sampling)
