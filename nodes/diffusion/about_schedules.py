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
