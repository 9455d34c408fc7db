"""`KSAMPLER` and what it hands to a sampler: a run's noise and mask around a function of k-diffusion's form."""

import math
from typing import Any

from nodes.diffusion.guidance.joining import cfg as joined_by_cfg
from nodes.diffusion.noise import start_noise


def cfg_function(
    model, cond_pred, uncond_pred, cond_scale, x, timestep, model_options=None, cond=None, uncond=None
):
    """Both sides' estimates joined, as options say."""
    options = dict(model_options or {})
    said = {"cond_scale": cond_scale, "input": x, "sigma": timestep, "model": model, "model_options": options}
    said |= {"cond_denoised": cond_pred, "uncond_denoised": uncond_pred}
    function = options.get("sampler_cfg_function")
    if function is None:
        made = joined_by_cfg(cond_pred, uncond_pred, cond_scale)
    else:
        more = {"cond": x - cond_pred, "uncond": x - uncond_pred, "timestep": timestep}
        made = x - function({**said, **more, "input_cond": cond, "input_uncond": uncond})
    for after in options.get("sampler_post_cfg_function", []):
        made = after({**said, "denoised": made, "cond": cond, "uncond": uncond})
    return made


class KSamplerX0Inpaint:
    """A guider as samplers see it: what a mask keeps is put back around each estimate."""

    def __init__(self, model, sigmas):
        self.inner_model, self.sigmas = model, sigmas
        self.latent_image: Any = None
        self.noise: Any = None

    def __call__(self, x, sigma, denoise_mask=None, model_options=None, seed=None):
        model_options = model_options or {}
        if denoise_mask is None:
            return self.inner_model(x, sigma, model_options=model_options, seed=seed)
        mask = self._freed(sigma, denoise_mask, model_options)
        answer = self.inner_model(self._kept(x, sigma, mask), sigma, model_options=model_options, seed=seed)
        return answer * mask + self.latent_image * (1.0 - mask)

    def both(self, x, sigma, denoise_mask=None, model_options=None, seed=None):
        own = getattr(self.inner_model, "both", None)
        if own is None:
            return None
        if denoise_mask is None:
            return own(x, sigma)
        mask = self._freed(sigma, denoise_mask, model_options or {})
        guided, negative = own(self._kept(x, sigma, mask), sigma)
        return guided * mask + self.latent_image * (1.0 - mask), negative

    def _freed(self, sigma, mask, model_options):
        function = model_options.get("denoise_mask_function")
        if function is None:
            return mask
        return function(sigma, mask, extra_options={"model": self.inner_model, "sigmas": self.sigmas})

    def _kept(self, x, sigma, mask):
        inner = self.inner_model.inner_model
        sampling = inner.model_sampling
        noisy = sampling.noise_scaling(sigma, self.noise, self.latent_image)
        return x * mask + noisy * (1.0 - mask)


class Sampler:
    def max_denoise(self, model_wrap, sigmas):
        """Whether a run starts from the highest level there is, as pure noise."""
        highest, first = float(model_wrap.inner_model.model_sampling.sigma_max), float(sigmas[0])
        return math.isclose(highest, first, rel_tol=1e-5) or first > highest


class KSAMPLER(Sampler):
    """A function of k-diffusion's form as a sampler."""

    def __init__(self, sampler_function, extra_options=None, inpaint_options=None):
        self.sampler_function = sampler_function
        self.extra_options, self.inpaint_options = extra_options or {}, inpaint_options or {}
        self.weft_choice: Any = (None, None)  # of ours that this is, and the options it had

    def sample(
        self,
        model_wrap,
        sigmas,
        extra_args,
        callback,
        noise,
        latent_image=None,
        denoise_mask=None,
        disable_pbar=False,
    ):
        extra_args = {**extra_args, "denoise_mask": denoise_mask}
        model_k = KSamplerX0Inpaint(model_wrap, sigmas)
        model_k.latent_image, model_k.noise = latent_image, noise
        if self.inpaint_options.get("random"):  # what is kept gets noise of its own
            model_k.noise = start_noise(noise.shape, int(extra_args.get("seed") or 0) + 1).to(noise)
        sampling = model_wrap.inner_model.model_sampling
        started = sampling.noise_scaling(sigmas[0], noise, latent_image, self.max_denoise(model_wrap, sigmas))
        total = len(sigmas) - 1

        def told(step):
            if callback is not None:
                callback(step["i"], step["denoised"], step["x"], total)

        made = self.sampler_function(
            model_k,
            started,
            sigmas,
            extra_args=extra_args,
            callback=told,
            disable=disable_pbar,
            **self.extra_options,
        )
        return sampling.inverse_noise_scaling(sigmas[-1], made)
