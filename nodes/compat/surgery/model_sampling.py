"""`comfy.model_sampling`: what a network predicts, and its noise levels. A model's has one class of each kind."""

import math
from typing import Any

import torch

from nodes.diffusion.continuous_levels import AngleLevels, EdmLevels
from nodes.diffusion.denoiser import Parametrisation, denoised_from
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise_levels import (
    LAST_ABAR,
    DiscreteLevels,
    FlowLevels,
    from_betas,
    linear_betas,
    scaled_linear_betas,
)


def time_snr_shift(alpha, t):
    """Times from 0 to 1 shifted towards noise: alpha t / (1 + (alpha - 1) t)."""
    return t if alpha == 1.0 else alpha * t / (1 + (alpha - 1) * t)


def flux_time_shift(mu, sigma, t):
    """e^mu / (e^mu + (1/t - 1)^sigma)."""
    return math.exp(mu) / (math.exp(mu) + (1 / t - 1) ** sigma)


def reshape_sigma(sigma, noise_dim):
    """One sigma for each item, with axes for all others; a lone number as it is."""
    return sigma if sigma.nelement() == 1 else sigma.view(sigma.shape[:1] + (1,) * (noise_dim - 1))


def rescale_zero_terminal_snr_sigmas(sigmas):
    """Sigmas moved so that the last one is all but pure noise (Lin et al. 2023, arXiv:2305.08891, algorithm 1)."""
    roots = (1 / (sigmas * sigmas + 1)).sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    shares = ((roots - last) * (first / (first - last))) ** 2
    shares[-1] = LAST_ABAR
    return ((1 - shares) / shares) ** 0.5


# --- what is predicted ------------------------------------------------------------------------------------------------


class EPS:
    """The noise."""

    PARAMETRISATION = Parametrisation.EPS
    MIXING = Mixing.ADDED

    def calculate_input(self, sigma, noise):
        sigma = reshape_sigma(sigma, noise.ndim)
        return noise / (sigma * sigma + _data(self) ** 2).sqrt()

    def calculate_denoised(self, sigma, model_output, model_input):
        return model_input - model_output * reshape_sigma(sigma, model_output.ndim)

    def noise_scaling(self, sigma, noise, latent_image, max_denoise=False):
        sigma = reshape_sigma(sigma, noise.ndim)
        if self.MIXING is Mixing.TRADED:
            return noise * sigma + latent_image * (1.0 - sigma)
        return latent_image + noise * ((1.0 + sigma**2) ** 0.5 if max_denoise else sigma)

    def inverse_noise_scaling(self, sigma, latent):
        traded = self.MIXING is Mixing.TRADED
        return latent / (1.0 - reshape_sigma(sigma, latent.ndim)) if traded else latent


def _data(sampling):
    return getattr(sampling, "sigma_data", 1.0)


class V_PREDICTION(EPS):
    PARAMETRISATION = Parametrisation.V

    def calculate_denoised(self, sigma, model_output, model_input):
        sigma, data = reshape_sigma(sigma, model_output.ndim), _data(self)
        spread = sigma**2 + data**2
        return model_input * (data**2 / spread) - model_output * sigma * data / spread**0.5


class EDM(V_PREDICTION):
    PARAMETRISATION = Parametrisation.EDM

    def calculate_denoised(self, sigma, model_output, model_input):
        sigma, data = reshape_sigma(sigma, model_output.ndim), _data(self)
        spread = sigma**2 + data**2
        return model_input * (data**2 / spread) + model_output * sigma * data / spread**0.5


class CONST(EPS):
    """Noise less latents: a rectified flow."""

    PARAMETRISATION = Parametrisation.FLOW
    MIXING = Mixing.TRADED

    def calculate_input(self, sigma, noise):
        return noise


class X0(EPS):
    PARAMETRISATION = Parametrisation.X0

    def calculate_denoised(self, sigma, model_output, model_input):
        return model_output


class IMG_TO_IMG(X0):
    PARAMETRISATION = Parametrisation.IMAGE_TO_IMAGE

    def calculate_input(self, sigma, noise):
        return noise


class COSMOS_RFLOW(EPS):
    PARAMETRISATION = Parametrisation.COSMOS

    def calculate_input(self, sigma, noise):
        return noise / (reshape_sigma(sigma, noise.ndim) + 1.0)

    def calculate_denoised(self, sigma, model_output, model_input):
        sigma = reshape_sigma(sigma, model_output.ndim)
        share = sigma / (sigma + 1.0)
        return model_input * (1.0 - share) - model_output * share


# --- noise levels -----------------------------------------------------------------------------------------------------


class _Schedule(torch.nn.Module):
    """Noise levels by one of Weft's tables, which `_table` makes; a pack's class may say other things about them."""

    sigma_data = 1.0
    sigmas: torch.Tensor
    log_sigmas: torch.Tensor

    def __init__(self, model_config=None):
        torch.nn.Module.__init__(self)
        self.settings = getattr(model_config, "sampling_settings", None) or {}

    def _table(self):
        raise NotImplementedError

    @property
    def sigma_min(self):
        return self.sigmas[0]

    @property
    def sigma_max(self):
        return self.sigmas[-1]

    def timestep(self, sigma):
        return self._table().timestep(sigma)

    def sigma(self, timestep):
        return self._table().sigma(timestep)

    def percent_to_sigma(self, percent):
        return self._table().at_percent(float(percent))

    def _keep(self, sigmas, logs=None):
        self.register_buffer("sigmas", sigmas.float(), persistent=False)
        self.register_buffer("log_sigmas", sigmas.log().float() if logs is None else logs, persistent=False)


class ModelSamplingDiscrete(_Schedule):
    def __init__(self, model_config=None, zsnr=None):
        super().__init__(model_config)
        said = self.settings
        shape = linear_betas if said.get("beta_schedule") == "sqrt_linear" else scaled_linear_betas
        self.num_timesteps = int(said.get("timesteps", 1000))
        betas = shape(said.get("linear_start", 0.00085), said.get("linear_end", 0.012), self.num_timesteps)
        self.zsnr = bool(said.get("zsnr", False)) if zsnr is None else bool(zsnr)
        table = from_betas(betas, zero_terminal_snr=self.zsnr)
        self.linear_start, self.linear_end = said.get("linear_start", 0.00085), said.get("linear_end", 0.012)
        self._keep(table.sigmas, table.log_sigmas)

    def set_sigmas(self, sigmas):
        self._keep(sigmas)

    def _table(self):
        return DiscreteLevels(self.sigmas, self.log_sigmas)

    def percent_to_sigma(self, percent):
        if 0.0 < percent < 1.0:
            return self.sigma(torch.tensor((1.0 - percent) * (len(self.sigmas) - 1))).item()
        return self._table().at_percent(float(percent))


class _Between(_Schedule):
    """Even in the logarithm between two sigmas."""

    LOW, HIGH, DATA, TABLE = 0.002, 120.0, 1.0, EdmLevels

    def __init__(self, model_config=None):
        super().__init__(model_config)
        said = self.settings
        self.set_parameters(
            said.get("sigma_min", self.LOW),
            said.get("sigma_max", self.HIGH),
            said.get("sigma_data", self.DATA),
        )

    def set_parameters(self, sigma_min, sigma_max, sigma_data=1.0):
        self.sigma_data = sigma_data
        self._range = self.TABLE(float(sigma_min), float(sigma_max))
        self._keep(self._range.sigmas)

    def _table(self):
        return self._range


class ModelSamplingContinuousEDM(_Between):
    pass


class ModelSamplingContinuousV(_Between):
    LOW, HIGH, TABLE = 0.002, 500.0, AngleLevels


class ModelSamplingDiscreteEDM(ModelSamplingDiscrete):
    def timestep(self, sigma):
        return 0.25 * sigma.log()

    def sigma(self, timestep):
        return (timestep / 0.25).exp()


class ModelSamplingDiscreteFlow(_Schedule):
    def __init__(self, model_config=None):
        super().__init__(model_config)
        said = self.settings
        self.set_parameters(said.get("shift", 1.0), multiplier=said.get("multiplier", 1000))

    def set_parameters(self, shift=1.0, timesteps=1000, multiplier=1000):
        self.shift, self.multiplier = shift, multiplier
        self._flow = FlowLevels(shift, multiplier, timesteps)
        self._keep(self._flow.sigmas)

    def _table(self):
        return self._flow


class ModelSamplingFlux(_Schedule):
    def __init__(self, model_config=None):
        super().__init__(model_config)
        self.set_parameters(self.settings.get("shift", 1.15))

    def set_parameters(self, shift=1.15, timesteps=10000):
        self.shift = shift
        self._flow = FlowLevels(math.exp(shift), 1.0, timesteps)
        self._keep(self._flow.sigmas)

    def _table(self):
        return self._flow


class LCM(EPS):
    """The noise, of which a consistency model makes its jump."""

    PARAMETRISATION = Parametrisation.CONSISTENCY
    timestep: Any

    def calculate_denoised(self, sigma, model_output, model_input):
        timestep = self.timestep(sigma).reshape(-1).float()
        return denoised_from(
            self.PARAMETRISATION, model_input, reshape_sigma(sigma, model_output.ndim), model_output, timestep
        )


PREDICTIONS = {
    each.PARAMETRISATION: each for each in (EPS, V_PREDICTION, EDM, CONST, X0, IMG_TO_IMG, COSMOS_RFLOW, LCM)
}


class _Owned(_Schedule):
    """Of a model that no pack has given other levels."""

    def __init__(self, kind, levels):
        _Schedule.__init__(self)
        self.settings, self.sigma_data, self.levels = {}, kind.data_deviation, levels
        self._keep(levels.sigmas, getattr(levels, "log_sigmas", None))
        if isinstance(levels, FlowLevels):
            self.shift, self.multiplier = levels.shift, levels.multiplier
        self.num_timesteps = len(self.sigmas)

    def _table(self):
        return self.levels

    def percent_to_sigma(self, percent):
        return self.levels.at_percent(float(percent))


def _schedule_of(levels):
    if isinstance(levels, FlowLevels):
        return ModelSamplingFlux if levels.multiplier == 1.0 else ModelSamplingDiscreteFlow
    known = {EdmLevels: ModelSamplingContinuousEDM, AngleLevels: ModelSamplingContinuousV}
    return known.get(type(levels), ModelSamplingDiscrete)


def of_network(network):
    """The noise levels and the prediction of a loaded network, as packs read them."""
    kind, levels = network.parametrisation, network.levels
    if isinstance(levels, GivenLevels):
        return levels.sampling
    bases = (_Owned, _schedule_of(levels), PREDICTIONS[kind])
    return type("ModelSampling", bases, {})(kind, levels)


class GivenLevels:
    """Noise levels that a pack has made, as Weft's samplers read them."""

    def __init__(self, sampling):
        self.sampling = sampling

    @property
    def sigmas(self):
        return self.sampling.sigmas

    @property
    def minimum(self):
        return float(self.sampling.sigma_min)

    @property
    def maximum(self):
        return float(self.sampling.sigma_max)

    def timestep(self, sigma):
        return self.sampling.timestep(sigma)

    def sigma(self, timestep):
        return self.sampling.sigma(timestep)

    def at_percent(self, percent):
        return float(self.sampling.percent_to_sigma(percent))
