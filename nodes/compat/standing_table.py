"""Names of the host by module, as packs import them: what a module of `names/` has is real, the rest are stand-ins."""

from collections.abc import Mapping

LDM = "comfy.ldm"
# Modules of networks' inner parts: packs import any of their names. `EXACT` below them have those that are named.
OPEN = (
    LDM,
    "comfy.text_encoders",
    "comfy.taesd",
    "comfy.cldm",
    "comfy.t2i_adapter",
    "comfy.quant_ops",
    "comfy_api.torch_helpers",
)
EXACT = frozenset({f"{LDM}.modules.attention", f"{LDM}.common_dit", f"{LDM}.util", f"{LDM}.flux.math"})

TABLE: Mapping[str, str] = {
    "comfy.samplers": """KSampler KSAMPLER Sampler KSamplerX0Inpaint CFGGuider SchedulerHandler
    sampling_function calc_cond_batch cfg_function get_area_and_mult can_concat_cond cond_cat process_conds
    calculate_start_end_timesteps encode_model_conds pre_run_control calculate_sigmas beta_scheduler
    normal_scheduler simple_scheduler ddim_scheduler sampler_object ksampler
    resolve_areas_and_cond_masks_multidim get_mask_aabb""",
    "comfy.sample": "sample sample_custom",
    "comfy.sampler_helpers": "get_additional_models get_models_from_cond cleanup_additional_models prepare_sampling",
    "comfy.sd": """VAE CLIP StyleModel load_checkpoint_guess_config load_state_dict_guess_config
    load_checkpoint load_diffusion_model load_diffusion_model_state_dict load_unet load_clip
    load_text_encoder_state_dicts load_lora_for_models load_style_model load_gligen save_checkpoint
    load_model_weights""",
    "comfy.model_patcher": """ModelPatcher CoreModelPatcher ModelPatcherDynamic PatcherInjection
    QuantizedTensor get_key_weight low_vram_patch_estimate_vram""",
    "comfy.model_base": """BaseModel SDXL SDXLRefiner SD21UNCLIP SVD_img2vid SV3D_u SV3D_p SD3 Flux Flux2
    Lumina2 WAN21 HunyuanVideo LTXV LTXAV CosmosPredict2 Anima AuraFlow PixArt Chroma HiDream QwenImage
    HunyuanDiT StableCascade_B StableCascade_C GenmoMochi ACEStep Omnigen2 SD_X4Upscaler IP2P Stable_Zero123
    StableAudio1 model_sampling convert_tensor""",
    "comfy.model_sampling": """EPS V_PREDICTION V_PREDICTION_DDPM EDM CONST X0 IMG_TO_IMG IMG_TO_IMG_FLOW
    COSMOS_RFLOW ModelSamplingDiscrete ModelSamplingDiscreteEDM ModelSamplingContinuousEDM
    ModelSamplingContinuousV ModelSamplingDiscreteFlow ModelSamplingFlux ModelSamplingCosmosRFlow
    StableCascadeSampling rescale_zero_terminal_snr_sigmas reshape_sigma""",
    "comfy.model_detection": """model_config_from_unet model_config_from_unet_config detect_unet_config
    unet_config_from_diffusers_unet model_config_from_diffusers_unet convert_diffusers_mmdit""",
    "comfy.supported_models": """SD15 SD20 SD21UnclipL SD21UnclipH SDXL SDXLRefiner SSD1B Segmind_Vega
    SVD_img2vid SD3 Flux FluxSchnell Flux2 Lumina2 AuraFlow PixArtAlpha PixArtSigma HunyuanDiT HunyuanVideo
    LTXV WAN21_T2V WAN21_I2V Chroma HiDream QwenImage CosmosT2V GenmoMochi Stable_Cascade_B Stable_Cascade_C
    StableAudio ACEStep""",
    "comfy.supported_models_base": "BASE ClipTarget",
    "comfy.controlnet": """ControlBase ControlNet ControlNetSD35 ControlLora T2IAdapter StrengthType
    load_controlnet load_controlnet_state_dict load_t2i_adapter""",
    "comfy.clip_vision": "ClipVisionModel Output load load_clipvision_from_sd clip_preprocess",
    "comfy.lora": "model_lora_keys_unet model_lora_keys_clip load_lora calculate_weight",
    "comfy.lora_convert": "convert_lora",
    "comfy.weight_adapter": "WeightAdapterBase LoRAAdapter LoHaAdapter LoKrAdapter GLoRAAdapter OFTAdapter BOFTAdapter",
    "comfy.hooks": """Hook WeightHook TransformerOptionsHook AdditionalModelsHook InjectionsHook
    ObjectPatchHook HookKeyframe HookKeyframeGroup HookGroup EnumHookMode EnumHookScope EnumHookType
    EnumWeightTarget create_hook_lora create_hook_model_as_lora set_hooks_for_conditioning""",
    "comfy.context_windows": "IndexListContextHandler IndexListContextWindow ContextHandlerABC ContextSchedule",
    "comfy.sd1_clip": "SD1ClipModel SDClipModel SDTokenizer SD1Tokenizer SD1CheckpointClipModel ClipTokenWeightEncoder",
    "comfy.sdxl_clip": "SDXLClipModel SDXLRefinerClipModel SDXLClipG SDXLTokenizer StableCascadeClipModel",
    "comfy.text_encoders": "",
    "comfy.text_encoders.sd3_clip": "SD3ClipModel SD3Tokenizer T5XXLModel T5XXLTokenizer sd3_clip",
    "comfy.text_encoders.flux": "FluxClipModel FluxTokenizer flux_clip",
    "comfy.text_encoders.t5": "T5",
    "comfy.quant_ops": "ck QuantizedTensor",
    "comfy_api.torch_helpers": "set_torch_compile_wrapper",
    "comfy.taesd": "",
    "comfy.taesd.taesd": "TAESD",
    "comfy.cldm": "",
    "comfy.cldm.cldm": "ControlNet",
    "comfy.gligen": "Gligen load_gligen",
    "comfy.t2i_adapter": "",
    "comfy.t2i_adapter.adapter": "Adapter Adapter_light",
    "comfy.diffusers_convert": "convert_unet_state_dict convert_vae_state_dict convert_text_enc_state_dict",
    "comfy.diffusers_load": "load_diffusers",
    "comfy.k_diffusion": "",
    "comfy.k_diffusion.sampling": """sample_euler sample_euler_ancestral sample_heun sample_dpm_2
    sample_dpm_2_ancestral sample_lms sample_dpm_fast sample_dpm_adaptive sample_dpmpp_2s_ancestral
    sample_dpmpp_sde sample_dpmpp_2m sample_dpmpp_2m_sde sample_dpmpp_3m_sde sample_lcm sample_ddpm
    sample_ipndm sample_ipndm_v sample_deis sample_res_multistep sample_gradient_estimation sample_er_sde
    sample_seeds_2 sample_seeds_3 sample_sa_solver DPMSolver PIDStepSizeController BatchedBrownianTree""",
    "comfy.extra_samplers": "",
    "comfy.extra_samplers.uni_pc": "sample_unipc sample_unipc_bh2 NoiseScheduleVP UniPC",
    LDM: "",
    f"{LDM}.util": "instantiate_from_config",
    f"{LDM}.modules": "",
    f"{LDM}.modules.attention": """CrossAttention BasicTransformerBlock SpatialTransformer
    SpatialVideoTransformer FeedForward GEGLU""",
    f"{LDM}.modules.sub_quadratic_attention": "efficient_dot_product_attention",
    f"{LDM}.modules.ema": "LitEma",
    f"{LDM}.modules.encoders": "",
    f"{LDM}.modules.encoders.noise_aug_modules": "CLIPEmbeddingNoiseAugmentation",
    f"{LDM}.modules.distributions": "",
    f"{LDM}.modules.distributions.distributions": "DiagonalGaussianDistribution",
    f"{LDM}.modules.diffusionmodules": "",
    f"{LDM}.modules.diffusionmodules.openaimodel": """UNetModel ResBlock VideoResBlock Upsample Downsample
    TimestepEmbedSequential TimestepBlock forward_timestep_embed apply_control""",
    f"{LDM}.modules.diffusionmodules.model": "Encoder Decoder AttnBlock ResnetBlock Model",
    f"{LDM}.modules.diffusionmodules.util": "AlphaBlender make_beta_schedule",
    f"{LDM}.modules.diffusionmodules.mmdit": "MMDiT JointBlock SelfAttention get_2d_sincos_pos_embed_torch",
    f"{LDM}.models": "",
    f"{LDM}.models.autoencoder": "AutoencoderKL AutoencodingEngine",
    f"{LDM}.common_dit": "",
    f"{LDM}.flux": "",
    f"{LDM}.flux.layers": """DoubleStreamBlock SingleStreamBlock EmbedND MLPEmbedder LastLayer SelfAttention
    Modulation apply_mod""",
    f"{LDM}.flux.math": "attention rope",
    f"{LDM}.flux.model": "Flux",
    f"{LDM}.flux.controlnet": "ControlNetFlux",
    f"{LDM}.lightricks": "",
    f"{LDM}.lightricks.model": "LTXVModel BasicTransformerBlock LTXBaseModel",
    f"{LDM}.lightricks.symmetric_patchifier": "SymmetricPatchifier Patchifier",
    f"{LDM}.lightricks.vae": "",
    f"{LDM}.lightricks.vae.causal_video_autoencoder": "VideoVAE",
    f"{LDM}.cosmos": "",
    f"{LDM}.cosmos.predict2": "Attention MiniTrainDIT Block",
    f"{LDM}.wan": "",
    f"{LDM}.wan.model": "WanModel VaceWanModel WanAttentionBlock WanSelfAttention sinusoidal_embedding_1d",
    f"{LDM}.wan.vae": "WanVAE",
    f"{LDM}.lumina": "",
    f"{LDM}.lumina.model": "NextDiT FeedForward JointAttention JointTransformerBlock",
    f"{LDM}.chroma": "",
    f"{LDM}.chroma.model": "Chroma",
    f"{LDM}.hunyuan_video": "",
    f"{LDM}.hunyuan_video.model": "HunyuanVideo",
    f"{LDM}.qwen_image": "",
    f"{LDM}.qwen_image.model": "QwenImageTransformer2DModel QwenImageTransformerBlock",
    f"{LDM}.hidream": "",
    f"{LDM}.hidream.model": "HiDreamImageTransformer2DModel",
    f"{LDM}.genmo": "",
    f"{LDM}.genmo.joint_model": "",
    f"{LDM}.genmo.joint_model.asymm_models_joint": "AsymmDiTJoint",
    f"{LDM}.aura": "",
    f"{LDM}.aura.mmdit": "MMDiT",
    f"{LDM}.pixart": "",
    f"{LDM}.pixart.pixartms": "PixArtMS",
    f"{LDM}.cascade": "",
    f"{LDM}.cascade.stage_a": "StageA",
    f"{LDM}.cascade.stage_c_coder": "StageC_coder",
    "comfy_extras.nodes_custom_sampler": "Guider_Basic Guider_DualCFG",
    "comfy_extras.nodes_sag": "create_blur_map",
    "comfy_extras.nodes_lt": "LTXVAddGuide get_keyframe_idxs _append_guide_attention_entry",
    "latent_preview": "TAESDPreviewerImpl TAESD",
    "app": "",
    "app.user_manager": "UserManager",
    "app.logger": "",
    "app.frontend_management": "FrontendManager",
    "protocol": "",
    "comfy_config": "",
    "comfy_config.config_parser": "extract_node_configuration",
}
