"""What people may want to know of each schedule: what it is for, its rule as plain text, where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AboutSchedule:
    """A schedule for its readers: what it is for, its rule, and where it comes from."""

    purpose: str
    maths: str
    source: str


# In the order of `SCHEDULES`. u runs evenly from 0 to 1; T is the number of the model's own levels.
ABOUT_SCHEDULES: Mapping[str, AboutSchedule] = {
    "simple": AboutSchedule(
        "Every so many-th of the model's own levels. The usual choice for flow models.",
        "sigma_i = table[T - 1 - floor(i T / steps)]",
        "the model's training schedule",
    ),
    "sgm_uniform": AboutSchedule(
        "Equal steps of time, the last left out. For distilled models (Lightning, Turbo).",
        "sigma_i = sigma(t_max + (i / steps) (t_min - t_max))",
        "the model's training schedule",
    ),
    "karras": AboutSchedule(
        "Many steps at low noise: fine detail with Stable Diffusion 1 and XL. Not for flow models.",
        "sigma = (sigma_max^(1/7) + u (sigma_min^(1/7) - sigma_max^(1/7)))^7",
        "Karras et al. 2022, arXiv:2206.00364, eq. 5",
    ),
    "exponential": AboutSchedule(
        "Equal steps of ln sigma: still more of them at low noise; softer backgrounds.",
        "ln sigma = ln sigma_max + u (ln sigma_min - ln sigma_max)",
        "equal steps of ln sigma",
    ),
    "ddim_uniform": AboutSchedule(
        "Every k-th level from the second: starts a little below the highest noise.",
        "sigma_i = table[1 + k j], k = floor(T / steps), from the top down",
        "Song et al. 2020, arXiv:2010.02502, section 4.2",
    ),
    "beta": AboutSchedule(
        "More steps at both ends, where pictures are laid out and where they get their detail.",
        "t = the quantile of Beta(0.6, 0.6) at 1 - i / steps",
        "Lee et al. 2024, arXiv:2407.12173",
    ),
    "normal": AboutSchedule(
        "Equal steps of time, both ends included. The plain one for Stable Diffusion.",
        "sigma = sigma(t_max + u (t_min - t_max))",
        "the model's training schedule",
    ),
    "linear_quadratic": AboutSchedule(
        "Slow at high noise, then ever faster: made for video models.",
        "first half: 1 - s falls by 0.025 / (steps/2) a step; second half: a parabola to 0; sigma = s sigma_max",
        "Meta 2024 (Movie Gen), arXiv:2410.13720, section 3.4.2",
    ),
    "kl_optimal": AboutSchedule(
        "Equal steps of the arc tangent of sigma: the least error by a bound; few steps at very low noise.",
        "sigma = tan((1 - u) arctan sigma_max + u arctan sigma_min)",
        "Sabour et al. 2024 (AYS), arXiv:2404.14507, eq. 16",
    ),
}

# Those that nodes of their own make, by the node's name; and what nodes do to a schedule.
ABOUT_NODE_SCHEDULES: Mapping[str, AboutSchedule] = {
    "KarrasScheduler": AboutSchedule(
        "karras between two sigmas of your own, bent by rho.",
        "sigma = (sigma_max^(1/rho) + u (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho",
        "Karras et al. 2022, arXiv:2206.00364, eq. 5",
    ),
    "ExponentialScheduler": AboutSchedule(
        "exponential between two sigmas of your own.",
        "ln sigma = ln sigma_max + u (ln sigma_min - ln sigma_max)",
        "equal steps of ln sigma",
    ),
    "PolyexponentialScheduler": AboutSchedule(
        "exponential, bent by rho: above 1 more steps at low noise, below 1 fewer.",
        "ln sigma = ln sigma_min + (1 - u)^rho (ln sigma_max - ln sigma_min)",
        "equal steps of a power of ln sigma",
    ),
    "VPScheduler": AboutSchedule(
        "Even times of the continuous variance-preserving process.",
        "sigma = sqrt(exp(beta_d t^2 / 2 + beta_min t) - 1), t evenly from 1 to eps_s",
        "Song et al. 2021, arXiv:2011.13456, eq. 32",
    ),
    "LaplaceScheduler": AboutSchedule(
        "Crowds steps around one noise level; it has no 0 at its end.",
        "ln sigma = mu - beta sign(1/2 - u) ln(1 - 2 |1/2 - u| + 1e-5), kept in sigma_min to sigma_max",
        "Hang and Gu 2024, arXiv:2407.03297, section 3.2",
    ),
    "BetaSamplingScheduler": AboutSchedule(
        "beta with a shape of your own.",
        "t = the quantile of Beta(alpha, beta) at 1 - i / steps",
        "Lee et al. 2024, arXiv:2407.12173",
    ),
    "SDTurboScheduler": AboutSchedule(
        "The timesteps that SD-Turbo was distilled on, 1 to 10 of them.",
        "t = 999, 899, ... 99, from the place 10 - floor(10 denoise); sigma = sigma(t)",
        "Sauer et al. 2023, arXiv:2311.17042",
    ),
    "AlignYourStepsScheduler": AboutSchedule(
        "Few steps with SD1, SDXL or SVD: levels found by search.",
        "a table of 11 levels, drawn to other lengths evenly in ln sigma",
        "Sabour et al. 2024, arXiv:2404.14507",
    ),
    "GITSScheduler": AboutSchedule(
        "Few steps: levels found by the shape of trajectories, for each number of steps.",
        "a table by coefficient and steps; beyond 20 steps the longest row, drawn evenly in ln sigma",
        "Chen et al. 2024, arXiv:2405.11326",
    ),
    "OptimalStepsScheduler": AboutSchedule(
        "Few steps with Flux, Wan or Chroma: levels found by dynamic programming.",
        "a table of levels by model, drawn to other lengths evenly in ln sigma",
        "Pei et al. 2025, arXiv:2503.21774",
    ),
    "Flux2Scheduler": AboutSchedule(
        "For Flux 2: shifted by the picture's size and the number of steps.",
        "sigma = e^mu / (e^mu + 1/t - 1), mu a line in tokens (width height / 256) and in steps",
        "Black Forest Labs 2025, after arXiv:2403.03206, eq. 23",
    ),
    "LTXVScheduler": AboutSchedule(
        "For LTX-Video: shifted by the number of tokens; the last level above 0 can be set.",
        "sigma = e^mu / (e^mu + 1/t - 1), mu on the line from base_shift (1024 tokens) to max_shift (4096)",
        "HaCohen et al. 2025, arXiv:2501.00103",
    ),
    "ManualSigmas": AboutSchedule(
        "Noise levels that you write yourself.", "the numbers in the text, in their order", "yours"
    ),
    "SplitSigmas": AboutSchedule(
        "Cuts a schedule in two at a step; both keep the level of the cut.",
        "high: sigma_0 ... sigma_k; low: sigma_k ... 0",
        "a tool",
    ),
    "SplitSigmasDenoise": AboutSchedule(
        "Cuts a schedule where a share of it is left.", "k = steps - round(steps denoise)", "a tool"
    ),
    "FlipSigmas": AboutSchedule(
        "Turns a schedule round, to go from a picture back to noise.",
        "sigma_n ... sigma_0; a 0 at the start becomes 0.0001",
        "a tool",
    ),
    "SetFirstSigma": AboutSchedule("Puts another level at the start.", "sigma_0 = the given one", "a tool"),
    "ExtendIntermediateSigmas": AboutSchedule(
        "Puts further levels between neighbours, in a range of sigmas.",
        "between sigma_i and sigma_(i+1): sigma_i + f(j / steps) (sigma_(i+1) - sigma_i), f linear, cosine or sine",
        "a tool",
    ),
}
