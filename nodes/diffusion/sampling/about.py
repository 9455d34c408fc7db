"""What people may want to know of each sampler: what it is for, its maths in two lines, where it comes from.

The maths is plain text, for latents with added noise: x at the level sigma, D the denoised estimate there and
d = (x - D) / sigma the slope; primes are the next level's, `_1`, `_2` those of the steps before; h = ln(sigma / sigma');
n is fresh Gaussian noise. down and up split a level into what a step reaches and what fresh noise adds:
down^2 + up^2 = sigma'^2. D- and d- are the negative prompt's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AboutSampler:
    """A sampler for its readers.

    Attributes:
        purpose: what it is for and what it costs, in a sentence or two.
        maths: two lines: what a step computes on the way, and where it takes the latents.
        source: the papers.
    """

    purpose: str
    maths: tuple[str, str]
    source: str


_SONG = "Song et al. 2020, arXiv:2010.02502"
_KARRAS = "Karras et al. 2022, arXiv:2206.00364"
_DPM = "Lu et al. 2022 (DPM-Solver), arXiv:2206.00927"
_DPMPP = "Lu et al. 2022 (DPM-Solver++), arXiv:2211.01095"
_CFGPP = "Chung et al. 2024 (CFG++), arXiv:2406.08070"
_DEIS = "Zhang and Chen 2022 (DEIS), arXiv:2204.13902"
_RES = "Zhang et al. 2023 (RES), arXiv:2308.02157"
_GRADIENT = "Permenter and Yuan 2023, arXiv:2306.04848"
_SEEDS = "Gonzalez et al. 2023 (SEEDS), arXiv:2305.14267"
_SA = "Xue et al. 2023 (SA-Solver), arXiv:2309.05019"
_UNI_PC = "Zhao et al. 2023 (UniPC), arXiv:2302.04867"
_HOCHBRUCK = "Hochbruck and Ostermann 2010, Acta Numerica, section 2.3"

_DOWN = "down^2 = sigma'^2 - up^2,  up^2 = sigma'^2 (1 - sigma'^2 / sigma^2)"
_SDE_2M = "H = (1 + eta) h,  r = h_1 / h,  B = (D - D_1) / r"
_SDE_3M = "as dpmpp_2m_sde, with a parabola through D, D_1 and D_2 (divided differences) in place of a line"
_SDE_3M_STEP = "x' = (sigma'/sigma) e^(-eta h) x + the parabola, integrated + sigma' sqrt(1 - e^(-2 eta h)) n"


def _on_device(name: str, purpose: str) -> str:
    return f"{name} with its noise drawn on the graphics card: {purpose}"


_DPMPP_SDE = AboutSampler(
    "Detailed pictures in few steps, with fresh noise; two network calls a step.",
    (
        "u = an ancestral step by D to sigma_m = sqrt(sigma sigma'), with noise",
        "x' = (down/sigma) x + (1 - down/sigma) D(u, sigma_m) + up n",
    ),
    f"{_DPMPP}, algorithm 1, with noise in both steps",
)
_DPMPP_2M_SDE = AboutSampler(
    "Crisp detail at one call a step; the same Brownian path whatever the number of steps. 15 to 30 steps.",
    (
        _SDE_2M,
        "x' = (sigma'/sigma) e^(-eta h) x + (1 - e^(-H)) (D + B/2) + sigma' sqrt(1 - e^(-2 eta h)) n",
    ),
    f"{_DPMPP}, section 5",
)
_DPMPP_2M_SDE_HEUN = AboutSampler(
    "dpmpp_2m_sde with the exact integral of the line through two predictions; a little softer in few steps.",
    (
        _SDE_2M,
        "x' = (sigma'/sigma) e^(-eta h) x + (1 - e^(-H)) D + (1 - (1 - e^(-H))/H) B + sigma' sqrt(1 - e^(-2 eta h)) n",
    ),
    f"{_DPMPP}, section 5",
)
_DPMPP_3M_SDE = AboutSampler(
    "Fine texture where there are many steps, 25 and more; rough in few.",
    (_SDE_3M, _SDE_3M_STEP),
    f"{_DPMPP}, section 5, one order further",
)


# In the order of `SAMPLERS`.
ABOUT_SAMPLERS: Mapping[str, AboutSampler] = {
    "euler": AboutSampler(
        "The plain one: stable, fast, soft. The first choice for flow models, and what others are compared with.",
        ("d = (x - D) / sigma", "x' = x + (sigma' - sigma) d"),
        f"{_KARRAS}, algorithm 1 without churn",
    ),
    "euler_cfg_pp": AboutSampler(
        "Euler for CFG++: strong prompts without burnt colours; wants a low guidance scale, 1 to 2.",
        ("d- = (x - D-) / sigma", "x' = D + sigma' d-"),
        f"{_CFGPP}, algorithm 2",
    ),
    "euler_ancestral": AboutSampler(
        "Lively and varied: each step adds fresh noise, so more steps make another picture and not only a better one.",
        (_DOWN, "x' = x + (down - sigma) d + up n"),
        f"{_SONG}, eq. 12",
    ),
    "euler_ancestral_cfg_pp": AboutSampler(
        "Euler ancestral for CFG++; wants a low guidance scale, 1 to 2.",
        ("d- = (x - D-) / sigma;  down and up as for euler_ancestral", "x' = D + down d- + up n"),
        f"{_CFGPP}, algorithm 2",
    ),
    "heun": AboutSampler(
        "Accurate and steady; two network calls a step. A reference to hold faster ones against.",
        (
            "u = x + (sigma' - sigma) d,  d_u = (u - D(u, sigma')) / sigma'",
            "x' = x + (sigma' - sigma) (d + d_u) / 2",
        ),
        f"{_KARRAS}, algorithm 2",
    ),
    "heunpp2": AboutSampler(
        "Heun looking up to two levels ahead; three network calls a step but for the last ones.",
        (
            "d, d', d'' = slopes at sigma, sigma', sigma'';  w' = sigma'/(3 sigma_0),  w'' = sigma''/(3 sigma_0)",
            "x' = x + (sigma' - sigma) (w d + w' d' + w'' d''),  w + w' + w'' = 1",
        ),
        "Li et al. 2023, arXiv:2311.00157, section 4",
    ),
    "exp_heun_2_x0": AboutSampler(
        "Heun's idea on predictions: exact where the prediction is a line in time; two network calls a step.",
        (
            "u = e^(-h) x + (1 - e^(-h)) D,  D_u = D(u, sigma')",
            "x' = e^(-h) x + (1 - e^(-h)) D + (1 - (1 - e^(-h))/h) (D_u - D)",
        ),
        _HOCHBRUCK,
    ),
    "exp_heun_2_x0_sde": AboutSampler(
        "exp_heun_2_x0 with fresh noise; two network calls a step.",
        (
            "H = (1 + eta) h,  u = e^(-H) x + (1 - e^(-H)) D + noise,  D_u = D(u, sigma')",
            "x' = e^(-H) x + (1 - e^(-H)) D + (1 - (1 - e^(-H))/H) (D_u - D) + sigma' sqrt(1 - e^(-2 eta h)) n",
        ),
        f"{_HOCHBRUCK}; {_SEEDS}",
    ),
    "dpm_2": AboutSampler(
        "The midpoint rule in ln sigma; two network calls a step.",
        (
            "sigma_m = sqrt(sigma sigma'),  u = x + (sigma_m - sigma) d",
            "x' = x + (sigma' - sigma) (u - D(u, sigma_m)) / sigma_m",
        ),
        f"{_DPM}, algorithm 1 with r = 1/2",
    ),
    "dpm_2_ancestral": AboutSampler(
        "dpm_2 with fresh noise after each step; two network calls a step.",
        (
            "sigma_m = sqrt(sigma down),  u = x + (sigma_m - sigma) d",
            "x' = x + (down - sigma) (u - D(u, sigma_m)) / sigma_m + up n",
        ),
        f"{_DPM}; {_SONG}",
    ),
    "lms": AboutSampler(
        "Remembers four slopes, one call a step; smooth, but can ring where steps are few.",
        (
            "p(s) = the polynomial through (sigma, d), (sigma_1, d_1), ... (sigma_3, d_3)",
            "x' = x + integral of p from sigma to sigma'",
        ),
        "Adams and Bashforth, for uneven steps (Hairer, Norsett, Wanner, Solving ODEs I, III.5)",
    ),
    "dpm_fast": AboutSampler(
        "A fixed number of network calls in third-order steps of its own; the schedule's ends alone count.",
        (
            "three stages at ln sigma - h/3 and ln sigma - 2h/3, where eps = (x - D) / sigma",
            "x' = x - sigma' (e^h - 1) eps - (3 sigma'/2) ((e^h - 1)/h - 1) (eps_2 - eps)",
        ),
        f"{_DPM}, algorithm 2 and appendix C",
    ),
    "dpm_adaptive": AboutSampler(
        "Chooses its own steps until an error bound holds: slow and near exact; the number of steps is not heeded.",
        (
            "error = root mean square of (x_low - x_high) / max(atol, rtol max(|x_low|, |x|)), of orders 2 and 3",
            "x' = x_high if the h that a PID rule sets next is at least 0.81 of this one; else again with that one",
        ),
        f"{_DPM}, appendix C; Soderlind 2003",
    ),
    "dpmpp_2s_ancestral": AboutSampler(
        "Varied and more accurate than Euler ancestral; two network calls a step.",
        (
            "sigma_m = sqrt(sigma down),  u = (sigma_m/sigma) x + (1 - sigma_m/sigma) D",
            "x' = (down/sigma) x + (1 - down/sigma) D(u, sigma_m) + up n",
        ),
        f"{_DPMPP}, algorithm 1; {_SONG}",
    ),
    "dpmpp_2s_ancestral_cfg_pp": AboutSampler(
        "dpmpp_2s_ancestral for CFG++; wants a low guidance scale, 1 to 2.",
        (
            "u = (sigma_m/sigma) (x + D - D-) + (1 - sigma_m/sigma) D,  sigma_m = sqrt(sigma down)",
            "x' = (down/sigma) (x + D - D-(u)) + (1 - down/sigma) D(u) + up n",
        ),
        f"{_CFGPP}; {_DPMPP}",
    ),
    "dpmpp_sde": _DPMPP_SDE,
    "dpmpp_sde_gpu": AboutSampler(
        _on_device("dpmpp_sde", "a little faster, another picture."), _DPMPP_SDE.maths, _DPMPP_SDE.source
    ),
    "dpmpp_2m": AboutSampler(
        "The workhorse: sharp in 15 to 25 steps at one call a step, and the same picture at any number of steps.",
        (
            "E = D + (h / (2 h_1)) (D - D_1)",
            "x' = (sigma'/sigma) x + (1 - sigma'/sigma) E",
        ),
        f"{_DPMPP}, algorithm 2",
    ),
    "dpmpp_2m_cfg_pp": AboutSampler(
        "dpmpp_2m for CFG++; wants a low guidance scale, 1 to 2.",
        ("B = (h / (2 h_1)) (D - D-_1)", "x' = D + (sigma'/sigma) (x - D-) + (1 - e^(-h)) B"),
        f"{_CFGPP}; {_DPMPP}",
    ),
    "dpmpp_2m_sde": _DPMPP_2M_SDE,
    "dpmpp_2m_sde_gpu": AboutSampler(
        _on_device("dpmpp_2m_sde", "a little faster, another picture."),
        _DPMPP_2M_SDE.maths,
        _DPMPP_2M_SDE.source,
    ),
    "dpmpp_2m_sde_heun": _DPMPP_2M_SDE_HEUN,
    "dpmpp_2m_sde_heun_gpu": AboutSampler(
        _on_device("dpmpp_2m_sde_heun", "a little faster, another picture."),
        _DPMPP_2M_SDE_HEUN.maths,
        _DPMPP_2M_SDE_HEUN.source,
    ),
    "dpmpp_3m_sde": _DPMPP_3M_SDE,
    "dpmpp_3m_sde_gpu": AboutSampler(
        _on_device("dpmpp_3m_sde", "a little faster, another picture."),
        _DPMPP_3M_SDE.maths,
        _DPMPP_3M_SDE.source,
    ),
    "ddpm": AboutSampler(
        "The original way down: draws from the posterior. Needs many steps; for study.",
        (
            "y = x / sqrt(1 + sigma^2),  a = (1 + sigma'^2) / (1 + sigma^2),  abar = 1 / (1 + sigma^2)",
            "y' = (y - (1 - a) d / sqrt(1 - abar)) / sqrt(a) + sqrt((1 - a) (1 - abar') / (1 - abar)) n",
        ),
        "Ho et al. 2020 (DDPM), arXiv:2006.11239, algorithm 2",
    ),
    "lcm": AboutSampler(
        "For distilled models (LCM, Turbo, Lightning): 1 to 8 steps, guidance near 1. Blurs or wanders on others.",
        ("D = the model's guess of the clean picture", "x' = D + sigma' n"),
        "Song et al. 2023, arXiv:2303.01469, algorithm 1; Luo et al. 2023 (LCM), arXiv:2310.04378",
    ),
    "ipndm": AboutSampler(
        "Four remembered slopes with fixed weights; one call a step, good in 10 to 20 even steps.",
        (
            "E = (55 d - 59 d_1 + 37 d_2 - 9 d_3) / 24, shorter at the start",
            "x' = x + (sigma' - sigma) E",
        ),
        f"{_DEIS}, section 3.3; Liu et al. 2022, arXiv:2202.09778",
    ),
    "ipndm_v": AboutSampler(
        "ipndm with weights that heed uneven steps; one call a step.",
        (
            "E = w_0 d + w_1 d_1 + w_2 d_2 + w_3 d_3, the weights from the last steps' lengths",
            "x' = x + (sigma' - sigma) E",
        ),
        "Zhou et al. 2023, arXiv:2312.00094, appendix",
    ),
    "deis": AboutSampler(
        "Polynomials in the process's own time; one call a step, strong in 8 to 15 steps.",
        (
            "p(t) = the polynomial in time through d, d_1, d_2",
            "x' = x + integral of p(t) (d sigma / d t) from t to t'",
        ),
        f"{_DEIS}, eq. 15 (tAB-DEIS)",
    ),
    "res_multistep": AboutSampler(
        "Second order with exact weights; one call a step, clean in 10 to 20 steps.",
        (
            "B = (D_1 - D) / h_1, with h_1 = ln(sigma_1 / sigma)",
            "x' = e^(-h) x + (1 - e^(-h)) D - (h - 1 + e^(-h)) B",
        ),
        f"{_RES}, section 3.2",
    ),
    "res_multistep_cfg_pp": AboutSampler(
        "res_multistep for CFG++; wants a low guidance scale, 1 to 2.",
        (
            "B- = (D-_1 - D-) / h_1",
            "x' = e^(-h) (x + D - D-) + (1 - e^(-h)) D- - (h - 1 + e^(-h)) B-",
        ),
        f"{_RES}; {_CFGPP}",
    ),
    "res_multistep_ancestral": AboutSampler(
        "res_multistep with fresh noise after each step; one call a step.",
        (
            "down and up as for euler_ancestral,  h = ln(sigma / down)",
            "x' = the step of res_multistep to down + up n",
        ),
        f"{_RES}; {_SONG}",
    ),
    "res_multistep_ancestral_cfg_pp": AboutSampler(
        "res_multistep_ancestral for CFG++; wants a low guidance scale, 1 to 2.",
        (
            "down and up as for euler_ancestral,  h = ln(sigma / down)",
            "x' = the step of res_multistep_cfg_pp to down + up n",
        ),
        f"{_RES}; {_CFGPP}",
    ),
    "gradient_estimation": AboutSampler(
        "Euler that trusts what two slopes have in common: sharper than Euler at the same cost.",
        ("E = gamma d + (1 - gamma) d_1, gamma = 2", "x' = x + (sigma' - sigma) E"),
        f"{_GRADIENT}, algorithm 2",
    ),
    "gradient_estimation_cfg_pp": AboutSampler(
        "gradient_estimation for CFG++; wants a low guidance scale, 1 to 2.",
        ("d- = (x - D-) / sigma,  E = (gamma - 1) (d- - d-_1)", "x' = D + sigma' d- + (sigma' - sigma) E"),
        f"{_GRADIENT}; {_CFGPP}",
    ),
    "er_sde": AboutSampler(
        "Fresh noise of a strength that suits few steps; third order, one call a step.",
        (
            "f(s) = s (e^(s^0.3) + 10),  r = f(sigma') / f(sigma)",
            "x' = r x + (1 - r) D + terms of two divided differences + sqrt(sigma'^2 - (r sigma)^2) n",
        ),
        "Cui et al. 2023 (ER-SDE), arXiv:2309.06169, algorithm 3",
    ),
    "seeds_2": AboutSampler(
        "Two stages whose noises belong to one path; accurate detail at two network calls a step.",
        (
            "H = (1 + eta) h,  u = the step to half of h by D, with its noise",
            "x' = (sigma'/sigma) e^(-eta h) x + (1 - e^(-H)) D(u) + sigma' sqrt(1 - e^(-2 eta h)) n",
        ),
        f"{_SEEDS}, algorithm 3",
    ),
    "seeds_3": AboutSampler(
        "Three stages whose noises belong to one path; three network calls a step.",
        (
            "u, v = stages at a third and two thirds of h, v by a line through D and D(u)",
            "x' = (sigma'/sigma) e^(-eta h) x + the line through D and D(v), integrated + sigma' sqrt(1 - e^(-2 eta h)) n",
        ),
        f"{_SEEDS}, algorithm 4",
    ),
    "sa_solver": AboutSampler(
        "Stochastic Adams with a corrector, noise only in the middle of a run; one call a step, 15 and more.",
        (
            "predict: integrate the polynomial through D, D_1, D_2, with noise where sigma lies in the middle",
            "correct: the same with the new D among them, before the next step",
        ),
        f"{_SA}, algorithm 1",
    ),
    "sa_solver_pece": AboutSampler(
        "sa_solver that asks the network again after each correction; two calls a step.",
        (
            "predict, evaluate and correct as sa_solver does",
            "evaluate once more at the corrected x; that D is remembered",
        ),
        f"{_SA}, algorithm 1",
    ),
    "ddim": AboutSampler(
        "Euler's rule as first published; what it inpaints is held to noise of its own. Steady in 20 to 50 steps.",
        ("eps = (x - D) / sigma", "x' = D + sigma' eps"),
        f"{_SONG}, eq. 12 with eta = 0",
    ),
    "uni_pc": AboutSampler(
        "Predictor and corrector up to third order at one call a step; good in 8 to 15 steps.",
        (
            "predict: x' = (sigma'/sigma) x + (1 - e^(-h)) D + B(h) sum of a_i (D_i - D) / r_i,  B(h) = h",
            "correct: the same sum with the new D in it, weights exact for polynomials",
        ),
        f"{_UNI_PC}, algorithms 1 and 2",
    ),
    "uni_pc_bh2": AboutSampler(
        "uni_pc with another B(h), which suits guided sampling in very few steps.",
        (
            "predict: x' = (sigma'/sigma) x + (1 - e^(-h)) D + B(h) sum of a_i (D_i - D) / r_i,  B(h) = 1 - e^(-h)",
            "correct: the same sum with the new D in it, weights exact for polynomials",
        ),
        f"{_UNI_PC}, algorithms 1 and 2",
    ),
}
