"""`comfy.model_sampling`: shifts of flow times."""

import math


def time_snr_shift(alpha, t):
    """Times from 0 to 1 shifted towards noise: alpha t / (1 + (alpha - 1) t)."""
    return t if alpha == 1.0 else alpha * t / (1 + (alpha - 1) * t)


def flux_time_shift(mu, sigma, t):
    """e^mu / (e^mu + (1/t - 1)^sigma)."""
    return math.exp(mu) / (math.exp(mu) + (1 / t - 1) ** sigma)
