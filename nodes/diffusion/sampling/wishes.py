"""What people ask for, in their words, and the samplers and schedules that answer, the best first."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that people want.

    Attributes:
        words: what they may type, in lower case.
        names: samplers, or schedules, that answer it, the best first.
    """

    words: tuple[str, ...]
    names: tuple[str, ...]


_CFG_PP = (
    "euler_cfg_pp", "dpmpp_2m_cfg_pp", "res_multistep_cfg_pp", "gradient_estimation_cfg_pp",
    "euler_ancestral_cfg_pp", "dpmpp_2s_ancestral_cfg_pp", "res_multistep_ancestral_cfg_pp",
)  # fmt: skip

SAMPLER_WISHES: Sequence[Wish] = (
    Wish(
        ("few steps", "low steps", "8 steps", "10 steps", "quick"),
        ("uni_pc", "uni_pc_bh2", "deis", "dpmpp_sde", "er_sde", "res_multistep", "lcm", "ipndm", "dpmpp_2m"),
    ),
    Wish(
        ("4 steps", "1 step", "turbo", "lightning", "hyper", "schnell", "distilled", "consistency model"),
        ("lcm", "euler", "dpmpp_sde", "euler_ancestral", "er_sde"),
    ),
    Wish(
        ("sharp", "crisp", "detail", "detailed", "texture", "fine"),
        ("dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "dpmpp_sde", "gradient_estimation", "seeds_2"),
    ),
    Wish(("soft", "smooth", "gentle"), ("euler", "lms", "dpmpp_2m_sde_heun", "ddim")),
    Wish(
        ("reproducible", "repeatable", "same picture", "stable", "converges", "steady", "consistent"),
        ("dpmpp_2m", "euler", "ddim", "uni_pc", "heun", "deis", "res_multistep", "dpmpp_2m_sde"),
    ),
    Wish(
        ("fast", "cheap", "speed", "one call"),
        ("euler", "dpmpp_2m", "uni_pc", "res_multistep", "deis", "lcm", "ddim", "ipndm"),
    ),
    Wish(
        ("varied", "variety", "lively", "creative", "random", "surprise", "ancestral"),
        ("euler_ancestral", "dpmpp_2s_ancestral", "dpm_2_ancestral", "res_multistep_ancestral", "dpmpp_sde"),
    ),
    Wish(
        ("accurate", "exact", "reference", "best quality", "quality", "slow"),
        ("heun", "dpm_adaptive", "heunpp2", "exp_heun_2_x0", "seeds_3", "dpm_2", "sa_solver_pece"),
    ),
    Wish(
        ("inpaint", "outpaint", "repair", "mask", "fix a part"),
        ("ddim", "euler", "dpmpp_2m", "uni_pc", "dpmpp_2m_sde"),
    ),
    Wish(
        ("invert", "inversion", "unsample", "image to noise", "backwards"),
        ("euler", "ddim", "heun", "dpm_2"),
    ),
    Wish(
        ("flow", "flux", "sd3", "rectified flow", "wan", "qwen"),
        ("euler", "dpmpp_2m", "res_multistep", "uni_pc", "er_sde", "heun"),
    ),
    Wish(("video", "animation"), ("uni_pc", "euler", "res_multistep", "dpmpp_2m")),
    Wish(("cfg++", "cfgpp", "cfg pp", "low guidance", "burnt colours", "burnt colors", "oversaturated"), _CFG_PP),
    Wish(
        ("graphics card", "gpu"),
        ("dpmpp_2m_sde_gpu", "dpmpp_3m_sde_gpu", "dpmpp_sde_gpu", "dpmpp_2m_sde_heun_gpu"),
    ),
    Wish(("study", "simple", "plain", "beginner"), ("euler", "heun", "ddpm", "euler_ancestral")),
)  # fmt: skip

SCHEDULE_WISHES: Sequence[Wish] = (
    Wish(("few steps", "quick", "fast", "10 steps"), ("kl_optimal", "beta", "sgm_uniform", "karras")),
    Wish(("4 steps", "turbo", "lightning", "lcm", "distilled", "hyper"), ("sgm_uniform", "simple")),
    Wish(("sharp", "crisp", "detail", "detailed", "fine", "texture"), ("karras", "exponential", "beta")),
    Wish(("soft", "smooth", "background"), ("exponential", "normal")),
    Wish(
        ("flow", "flux", "sd3", "rectified flow", "qwen", "wan"), ("simple", "beta", "sgm_uniform", "normal")
    ),
    Wish(("video", "animation"), ("linear_quadratic", "simple")),
    Wish(("composition", "layout"), ("beta", "simple", "normal")),
    Wish(("even", "plain", "usual", "default"), ("normal", "simple")),
)
