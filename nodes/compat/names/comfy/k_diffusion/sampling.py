"""`comfy.k_diffusion.sampling`: the small parts that samplers of packs are made of."""

import math

import torch
from tqdm.auto import trange

from nodes.compat.surgery.rows import row_function
from nodes.diffusion.brownian import brownian_noise
from nodes.diffusion.more_schedules import exponential_between, laplace, polyexponential
from nodes.diffusion.sampling.table import MORE_SAMPLERS, SAMPLERS
from nodes.diffusion.schedules import karras_between

__all__ = ["trange"]


def append_zero(x):
    return torch.cat([x, x.new_zeros([1])])


def append_dims(x, target_dims):
    return x[(...,) + (None,) * (target_dims - x.ndim)]


def to_d(x, sigma, denoised):
    """The derivative of x by sigma."""
    return (x - denoised) / append_dims(sigma, x.ndim)


def get_ancestral_step(sigma_from, sigma_to, eta=1.0):
    """(the sigma to go down to, the size of the noise to add), as numbers of the kind given."""
    if not eta:
        return sigma_to, 0.0
    up = (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5 * eta
    up = torch.minimum(up, sigma_to) if isinstance(up, torch.Tensor) else min(sigma_to, up)
    return (sigma_to**2 - up**2) ** 0.5, up


def default_noise_sampler(x, seed=None):
    """Fresh noise at each call; on the processor from `seed + 1`, as the start noise took `seed`."""
    generator = None
    if seed is not None:
        generator = torch.Generator(x.device).manual_seed(seed + 1 if x.device.type == "cpu" else seed)
    return lambda sigma, sigma_next: torch.randn(
        x.shape, dtype=x.dtype, layout=x.layout, device=x.device, generator=generator
    )


def get_sigmas_karras(n, sigma_min, sigma_max, rho=7.0, device="cpu"):
    return append_zero(karras_between(float(sigma_min), float(sigma_max), n, rho)[:n]).to(device)


def get_sigmas_exponential(n, sigma_min, sigma_max, device="cpu"):
    return append_zero(exponential_between(float(sigma_min), float(sigma_max), n)[:n]).to(device)


def get_sigmas_polyexponential(n, sigma_min, sigma_max, rho=1.0, device="cpu"):
    return append_zero(polyexponential(float(sigma_min), float(sigma_max), n, rho)[:n]).to(device)


def get_sigmas_laplace(n, sigma_min, sigma_max, mu=0.0, beta=0.5, device="cpu"):
    """As our LaplaceScheduler; alone among these, it has no 0 at its end."""
    return laplace(float(sigma_min), float(sigma_max), n, float(mu), float(beta)).to(device)


def get_sigmas_vp(n, beta_d=19.9, beta_min=0.1, eps_s=1e-3, device="cpu"):
    times = torch.linspace(1, eps_s, n, device=device)
    return append_zero((torch.exp(beta_d * times**2 / 2 + beta_min * times) - 1).sqrt())


class BrownianTreeNoiseSampler:
    """Noise between two sigmas from one Brownian path: the same whatever the steps."""

    def __init__(self, x, sigma_min, sigma_max, seed=None, transform=lambda x: x, cpu=False):
        self.transform = transform
        low, high = (float(transform(torch.as_tensor(sigma))) for sigma in (sigma_min, sigma_max))
        seed = int(torch.randint(0, 2**63 - 1, [])) if seed is None else seed
        place = x.cpu() if cpu else x
        self._noise = brownian_noise(place, torch.tensor([high, low]), seed)
        self._like = x

    def __call__(self, sigma, sigma_next):
        start, end = (float(self.transform(torch.as_tensor(each))) for each in (sigma, sigma_next))
        return self._noise(self._like, start, end).to(self._like)


def linear_multistep_coeff(order, t, i, j):
    """The weight of the derivative j steps back (Adams and Bashforth), by exact integration of its polynomial."""
    if order - 1 > i:
        raise ValueError(f"Order {order} too high for step {i}")
    roots = [t[i - k] for k in range(order) if k != j]
    weights = torch.tensor([1.0], dtype=torch.float64)
    scale = 1.0
    for root in roots:
        weights = torch.cat([weights, weights.new_zeros(1)]) - float(root) * torch.cat(
            [weights.new_zeros(1), weights]
        )
        scale *= float(t[i - j]) - float(root)
    powers = range(len(weights) - 1, -1, -1)
    total = sum(
        float(weight) * (float(t[i + 1]) ** (power + 1) - float(t[i]) ** (power + 1)) / (power + 1)
        for weight, power in zip(weights, powers, strict=True)
    )
    return total / scale if math.isfinite(total) else total


for _name in (*SAMPLERS, *MORE_SAMPLERS):
    globals().setdefault(f"sample_{_name}", row_function(_name))
