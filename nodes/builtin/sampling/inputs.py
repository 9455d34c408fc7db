"""What nodes of sampling have in common on their faces."""

from typing import Annotated

from nodes.spec import Combo, Float, Int

SAMPLER_NAMES = tuple(
    """euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 exp_heun_2_x0 exp_heun_2_x0_sde dpm_2
    dpm_2_ancestral lms dpm_fast dpm_adaptive dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu
    dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde dpmpp_2m_sde_gpu dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu dpmpp_3m_sde
    dpmpp_3m_sde_gpu ddpm lcm ipndm ipndm_v deis res_multistep res_multistep_cfg_pp res_multistep_ancestral
    res_multistep_ancestral_cfg_pp gradient_estimation gradient_estimation_cfg_pp er_sde seeds_2 seeds_3 sa_solver
    sa_solver_pece ddim uni_pc uni_pc_bh2""".split()
)
SCHEDULE_NAMES = tuple(
    "simple sgm_uniform karras exponential ddim_uniform beta normal linear_quadratic kl_optimal".split()
)
Seed = Annotated[int, Int(minimum=0, maximum=2**64 - 1, seed=True)]
Steps = Annotated[int, Int(minimum=1, maximum=10000)]
Cfg = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.1, round=0.01)]
SamplerName = Annotated[str, Combo(SAMPLER_NAMES)]
ScheduleName = Annotated[str, Combo(SCHEDULE_NAMES)]
Step = Annotated[int, Int(minimum=0, maximum=10000)]
Denoise = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)]
