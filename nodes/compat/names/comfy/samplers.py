"""`comfy.samplers`: runs in the field's form, on Weft's samplers, schedules and estimates.

Packs append to the lists, put functions of theirs in the place of these, and derive from the classes: all of it is read from
this module when it is used.
"""

import sys
from typing import Any, ClassVar, NamedTuple

import torch

from nodes.compat.names.comfy import sampler_helpers
from nodes.compat.names.comfy.k_diffusion import sampling as k_diffusion_sampling
from nodes.compat.standing import complete
from nodes.compat.surgery import estimates
from nodes.compat.surgery.areas import can_concat_cond, cond_cat, get_area_and_mult
from nodes.compat.surgery.changed import copied
from nodes.compat.surgery.extension import (
    WrapperExecutor,
    WrappersMP,
    get_all_wrappers,
    merge_nested_dicts,
)
from nodes.compat.surgery.rows import row_function
from nodes.compat.surgery.schedules import (
    beta_scheduler,
    ddim_scheduler,
    kl_optimal_scheduler,
    levels_of,
    linear_quadratic_schedule,
    normal_scheduler,
    simple_scheduler,
)
from nodes.compat.surgery.walking import KSAMPLER, KSamplerX0Inpaint, Sampler, cfg_function
from nodes.diffusion.sampling.table import SAMPLERS
from nodes.diffusion.schedules import SCHEDULES, for_sampler

__all__ = [
    "KSamplerX0Inpaint",
    "Sampler",
    "beta_scheduler",
    "can_concat_cond",
    "cfg_function",
    "cond_cat",
    "ddim_scheduler",
    "get_area_and_mult",
    "kl_optimal_scheduler",
    "linear_quadratic_schedule",
    "normal_scheduler",
    "simple_scheduler",
]

SAMPLER_NAMES = list(SAMPLERS)
KSAMPLER_NAMES = [name for name in SAMPLER_NAMES if name not in ("ddim", "uni_pc", "uni_pc_bh2")]
SCHEDULER_NAMES = list(SCHEDULES)


class SchedulerHandler(NamedTuple):
    handler: Any
    use_ms: bool = True


SCHEDULER_HANDLERS = {name: SchedulerHandler(function) for name, function in SCHEDULES.items()}


def calculate_sigmas(model_sampling, scheduler_name, steps):
    """The sigmas of a schedule by name, [steps + 1], falling to 0."""
    handler = SCHEDULER_HANDLERS.get(scheduler_name)
    if handler is None:
        raise ValueError(f"invalid scheduler {scheduler_name}")
    levels = levels_of(model_sampling)
    if handler.handler is SCHEDULES.get(scheduler_name):
        return handler.handler(levels, steps)
    if handler.use_ms:
        return handler.handler(model_sampling, steps)
    return handler.handler(n=steps, sigma_min=levels.minimum, sigma_max=levels.maximum)


# --- estimates --------------------------------------------------------------------------------------------------------


def sampling_function(model, x, timestep, uncond, cond, cond_scale, model_options=None, seed=None):
    """The guided estimate of clean latents."""
    options = estimates.plain_options(model_options)
    guided = estimates.guided_for(model, cond, uncond, cond_scale, options)
    return guided(x, estimates.lone(timestep))


def calc_cond_batch(model, conds, x_in, timestep, model_options=None):
    """An estimate for each list of conditions; zeros for None."""
    options = estimates.plain_options(model_options)
    steering = estimates.steering_for(model, options)
    sigma = estimates.lone(timestep)
    given = [(number, estimates.sides_for(model, side)) for number, side in enumerate(conds) if side]
    sides = steering.prepared(x_in, [side for _, side in given])
    at = steering.begin(x_in, sigma, 1.0, (sides[0], sides[1] if len(sides) > 1 else ()))
    answers = steering.ask(at, sides, [number for number, _ in given])
    found = dict(zip([number for number, _ in given], answers, strict=True))
    return [found.get(number, torch.zeros_like(x_in)) for number in range(len(conds))]


def calculate_start_end_timesteps(model, conds):
    """Shares of the run as sigmas, in the conditions that have some."""
    sampling = model.model_sampling
    for place, cond in enumerate(conds):
        ends = {
            f"timestep_{name}": sampling.percent_to_sigma(cond[f"{name}_percent"])
            for name in ("start", "end")
            if f"{name}_percent" in cond
        }
        if ends:
            conds[place] = {**cond, **ends}


def encode_model_conds(model_function, conds, noise, device, prompt_type, **kwargs):
    """What the network reads of each condition, under `model_conds`."""
    made = []
    for cond in conds:
        told = model_function(**cond, **kwargs, device=device, noise=noise, prompt_type=prompt_type)
        made.append({**cond, "model_conds": {**cond.get("model_conds", {}), **told}})
    return made


def pre_run_control(model, conds):
    """Control networks are told of the model; Weft's own need not be."""
    for cond in conds:
        control = cond.get("control")
        if hasattr(control, "pre_run"):
            control.pre_run(model, model.model_sampling.percent_to_sigma)


def process_conds(
    model, noise, conds, device, latent_image=None, denoise_mask=None, seed=None, latent_shapes=None
):
    """Conditions by name, ready for a run."""
    made = {}
    for name, listed in conds.items():
        side = [dict(cond) for cond in listed or []]
        calculate_start_end_timesteps(model, side)
        made[name] = encode_model_conds(
            model.extra_conds, side, noise, device, name, latent_image=latent_image
        )
        pre_run_control(model, side)
    return made


# --- samplers ---------------------------------------------------------------------------------------------------------


def ksampler(sampler_name, extra_options=None, inpaint_options=None):
    """A sampler by name; what `k_diffusion.sampling` has under it counts when it is called."""
    if sampler_name in ("ddim", "uni_pc", "uni_pc_bh2"):
        function = row_function(sampler_name)
        random = {"random": True} if sampler_name == "ddim" else {}
        return KSAMPLER(function, extra_options, {**random, **(inpaint_options or {})})
    return KSAMPLER(getattr(k_diffusion_sampling, f"sample_{sampler_name}"), extra_options, inpaint_options)


def sampler_object(name):
    return ksampler(name)


# --- guiders ----------------------------------------------------------------------------------------------------------


class CFGGuider:
    """A model and what steers it; packs derive from it and say in `predict_noise` how."""

    def __init__(self, model_patcher):
        self.model_patcher = model_patcher
        self.model_options = model_patcher.model_options
        self.original_conds = {}
        self.cfg = 1.0

    def set_conds(self, positive, negative):
        self.inner_set_conds({"positive": positive, "negative": negative})

    def set_cfg(self, cfg):
        self.cfg = cfg

    def inner_set_conds(self, conds):
        for name, cond in conds.items():
            self.original_conds[name] = sampler_helpers.convert_cond(cond)

    def __call__(self, *args, **kwargs):
        return self.outer_predict_noise(*args, **kwargs)

    def outer_predict_noise(self, x, timestep, model_options=None, seed=None):
        options = model_options or {}
        wrappers = get_all_wrappers(WrappersMP.PREDICT_NOISE, options, is_model_options=True)
        executor = WrapperExecutor.new_class_executor(self.predict_noise, self, wrappers)
        return executor.execute(x, timestep, options, seed)

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        conds = self.conds
        return sampling_function(
            self.inner_model,
            x,
            timestep,
            conds.get("negative"),
            conds.get("positive"),
            self.cfg,
            model_options=model_options or {},
            seed=seed,
        )

    def inner_sample(
        self,
        noise,
        latent_image,
        device,
        sampler,
        sigmas,
        denoise_mask,
        callback,
        disable_pbar,
        seed,
        latent_shapes=None,
    ):
        if torch.count_nonzero(latent_image) > 0:
            latent_image = self.inner_model.process_latent_in(latent_image)
        given = estimates.Given(seed or 0, noise.shape, latent_image, denoise_mask)
        estimates.begins(self.inner_model, given)
        self.conds = process_conds(
            self.inner_model, noise, self.conds, device, latent_image, denoise_mask, seed, latent_shapes
        )
        options = merge_nested_dicts(self.model_options, {"transformer_options": {"sample_sigmas": sigmas}})
        extra_args = {"model_options": options, "seed": seed, **getattr(self, "extra_args", {})}
        wrappers = get_all_wrappers(WrappersMP.SAMPLER_SAMPLE, options, is_model_options=True)
        executor = WrapperExecutor.new_class_executor(sampler.sample, sampler, wrappers)
        made = executor.execute(
            self, sigmas, extra_args, callback, noise, latent_image, denoise_mask, disable_pbar
        )
        return self.inner_model.process_latent_out(made.to(torch.float32))

    def outer_sample(
        self,
        noise,
        latent_image,
        sampler,
        sigmas,
        denoise_mask=None,
        callback=None,
        disable_pbar=False,
        seed=None,
        latent_shapes=None,
    ):
        with self.model_patcher.model.held():
            self.inner_model, self.conds, self.loaded_models = sampler_helpers.prepare_sampling(
                self.model_patcher, noise.shape, self.conds, self.model_options
            )
            device = self.inner_model.device
            noise, latent_image = (
                each.to(device=device, dtype=torch.float32) for each in (noise, latent_image)
            )
            if denoise_mask is not None:
                denoise_mask = sampler_helpers.prepare_mask(denoise_mask, noise.shape, device)
            try:
                self.model_patcher.inject_model()
                self.model_patcher.pre_run()
                return self.inner_sample(
                    noise,
                    latent_image,
                    device,
                    sampler,
                    sigmas,
                    denoise_mask,
                    callback,
                    disable_pbar,
                    seed,
                    latent_shapes,
                )
            finally:
                self.model_patcher.cleanup()
                self.model_patcher.eject_model()
                sampler_helpers.cleanup_models(self.conds, self.loaded_models)
                del self.inner_model, self.loaded_models

    def sample(
        self,
        noise,
        latent_image,
        sampler,
        sigmas,
        denoise_mask=None,
        callback=None,
        disable_pbar=False,
        seed=None,
    ):
        if sigmas.shape[-1] == 0:
            return latent_image
        before = self.model_options
        self.conds = {name: [dict(cond) for cond in side] for name, side in self.original_conds.items()}
        self.model_options = sampler_helpers.run_options(self.model_patcher, copied(before))
        wrappers = get_all_wrappers(WrappersMP.OUTER_SAMPLE, self.model_options, is_model_options=True)
        executor = WrapperExecutor.new_class_executor(self.outer_sample, self, wrappers)
        try:
            return executor.execute(
                noise,
                latent_image,
                sampler,
                sigmas,
                denoise_mask,
                callback,
                disable_pbar,
                seed,
                latent_shapes=None,
            )
        finally:
            self.model_options = before
            del self.conds


def sample(
    model,
    noise,
    positive,
    negative,
    cfg,
    device,
    sampler,
    sigmas,
    model_options=None,
    latent_image=None,
    denoise_mask=None,
    callback=None,
    disable_pbar=False,
    seed=None,
):
    """A run from parts."""
    guider = CFGGuider(model)
    if model_options:
        guider.model_options = model_options
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    return guider.sample(noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed)


class KSampler:
    """A run by names."""

    SAMPLERS = SAMPLER_NAMES
    SCHEDULERS = SCHEDULER_NAMES
    DISCARD_PENULTIMATE_SIGMA_SAMPLERS: ClassVar = {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"}

    def __init__(self, model, steps, device, sampler=None, scheduler=None, denoise=None, model_options=None):
        self.model, self.device, self.denoise = model, device, denoise
        self.sampler = sampler if sampler in self.SAMPLERS else self.SAMPLERS[0]
        self.scheduler = scheduler if scheduler in self.SCHEDULERS else self.SCHEDULERS[0]
        self.model_options = model_options or {}
        self.set_steps(steps, denoise)

    def calculate_sigmas(self, steps):
        sampling = self.model.get_model_object("model_sampling")
        own = SCHEDULER_HANDLERS.get(self.scheduler)
        if own is not None and own.handler is SCHEDULES.get(self.scheduler):
            return for_sampler(self.scheduler, self.sampler, levels_of(sampling), steps)
        return calculate_sigmas(sampling, self.scheduler, steps)

    def set_steps(self, steps, denoise=None):
        self.steps = steps
        if denoise is None or denoise > 0.9999:
            self.sigmas = self.calculate_sigmas(steps).to(self.device)
        elif denoise <= 0.0:
            self.sigmas = torch.FloatTensor([])
        else:
            self.sigmas = self.calculate_sigmas(int(steps / denoise)).to(self.device)[-(steps + 1) :]

    def sample(
        self,
        noise,
        positive,
        negative,
        cfg,
        latent_image=None,
        start_step=None,
        last_step=None,
        force_full_denoise=False,
        denoise_mask=None,
        sigmas=None,
        callback=None,
        disable_pbar=False,
        seed=None,
    ):
        sigmas = self.sigmas if sigmas is None else sigmas
        if last_step is not None and last_step < len(sigmas) - 1:
            sigmas = sigmas[: last_step + 1].clone()
            if force_full_denoise:
                sigmas[-1] = 0
        if start_step is not None:
            if start_step >= len(sigmas) - 1:
                return torch.zeros_like(noise) if latent_image is None else latent_image
            sigmas = sigmas[start_step:]
        sampler = sampler_object(self.sampler)
        told = (self.device, sampler, sigmas, self.model_options, latent_image, denoise_mask, callback)
        return sample(self.model, noise, positive, negative, cfg, *told, disable_pbar, seed)


complete("comfy.samplers", sys.modules[__name__])
