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
    "comfy.samplers": """KSampler KSAMPLER Sampler KSamplerX0Inpaint CFGGuider SchedulerHandler sampling_function
    calc_cond_batch cfg_function get_area_and_mult can_concat_cond cond_cat process_conds
    calculate_start_end_timesteps encode_model_conds pre_run_control calculate_sigmas beta_scheduler
    normal_scheduler simple_scheduler ddim_scheduler sampler_object ksampler
    resolve_areas_and_cond_masks_multidim get_mask_aabb resolve_areas_and_cond_masks
    create_cond_with_same_area_if_none apply_empty_x_to_equal_area filter_registered_hooks_on_conds
    get_total_hook_groups_in_conds cast_to_load_options preprocess_conds_hooks finalize_default_conds
    add_area_dims""",
    "comfy.sample": "sample sample_custom",
    "comfy.sampler_helpers": """get_additional_models get_models_from_cond cleanup_additional_models prepare_sampling
    get_additional_models_from_model_options get_hooks_from_cond prepare_model_patcher estimate_memory
    add_cond_hooks""",
    "comfy.sd": """VAE CLIP StyleModel load_checkpoint_guess_config load_state_dict_guess_config load_checkpoint
    load_diffusion_model load_diffusion_model_state_dict load_unet load_clip
    load_text_encoder_state_dicts load_lora_for_models load_style_model load_gligen save_checkpoint
    load_model_weights TEModel detect_te_model""",
    "comfy.model_patcher": """ModelPatcher CoreModelPatcher ModelPatcherDynamic PatcherInjection
    QuantizedTensor get_key_weight low_vram_patch_estimate_vram create_hook_patches_clone LowVramPatch wipe_lowvram_weight
    AutoPatcherEjector MemoryCounter move_weight_functions""",
    "comfy.model_base": """BaseModel SDXL SDXLRefiner SD21UNCLIP SVD_img2vid SV3D_u SV3D_p SD3 Flux Flux2 Lumina2 WAN21
    HunyuanVideo LTXV LTXAV CosmosPredict2 Anima AuraFlow PixArt Chroma HiDream QwenImage HunyuanDiT
    StableCascade_B StableCascade_C GenmoMochi ACEStep Omnigen2 SD_X4Upscaler IP2P Stable_Zero123
    StableAudio1 model_sampling convert_tensor sdxl_pooled unclip_adm SD15_instructpix2pix
    SDXL_instructpix2pix Hunyuan3Dv2 CosmosVideo""",
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
    "comfy.controlnet": """ControlBase ControlNet ControlNetSD35 ControlLora T2IAdapter StrengthType load_controlnet
    load_controlnet_state_dict load_t2i_adapter ControlNetFlux ControlLoraOps ControlNetWarper""",
    "comfy.clip_vision": """ClipVisionModel Output load load_clipvision_from_sd clip_preprocess convert_to_transformers""",
    "comfy.lora": "model_lora_keys_unet model_lora_keys_clip load_lora calculate_weight",
    "comfy.lora_convert": "convert_lora",
    "comfy.weight_adapter": "WeightAdapterBase LoRAAdapter LoHaAdapter LoKrAdapter GLoRAAdapter OFTAdapter BOFTAdapter",
    "comfy.hooks": """Hook WeightHook TransformerOptionsHook AdditionalModelsHook InjectionsHook ObjectPatchHook
    HookKeyframe HookKeyframeGroup HookGroup EnumHookMode EnumHookScope EnumHookType EnumWeightTarget
    create_hook_lora create_hook_model_as_lora set_hooks_for_conditioning create_target_dict
    get_patch_weights_from_model load_hook_lora_for_models create_transformer_options_from_hooks
    set_conds_props set_conds_props_and_combine set_default_conds_and_combine set_timesteps_for_conditioning
    set_mask_for_conditioning combine_conditioning combine_with_new_conds get_sorted_list_via_attr InterpolationMethod""",
    "comfy.context_windows": "IndexListContextHandler IndexListContextWindow ContextHandlerABC ContextSchedule",
    "comfy.sd1_clip": """SD1CheckpointClipModel ClipTokenWeightEncoder parse_parentheses load_embed gen_empty_tokens
    expand_directory_list safe_load_embed_zip bundled_embed""",
    "comfy.sdxl_clip": "SDXLClipGTokenizer",
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
    "comfy_extras.nodes_sag": "create_blur_map attention_basic_with_sim",
    "comfy_extras.nodes_lt": "LTXVAddGuide get_keyframe_idxs _append_guide_attention_entry",
    "latent_preview": "TAESDPreviewerImpl TAESD",
    "app": "",
    "app.user_manager": "UserManager",
    "app.logger": "",
    "app.frontend_management": "FrontendManager",
    "protocol": "",
    "comfy_config": "",
    "comfy_config.config_parser": "extract_node_configuration",
    "comfy.clip_model": """CLIPTextModel CLIPTextModel_ CLIPVision CLIPVisionModelProjection CLIPAttention CLIPMLP CLIPLayer
    CLIPEncoder CLIPEmbeddings""",
    "comfy.ops": "fp8_ops fp8_linear cublas_ops scaled_fp8_ops mixed_precision_ops",
    "comfy.k_diffusion.sa_solver": """compute_exponential_coeffs compute_stochastic_adams_b_coeffs get_tau_interval_func""",
    "comfy.k_diffusion.deis": "get_deis_coeff_list",
    "comfy.k_diffusion.external": "",
    "comfy.checkpoint_pickle": "Unpickler Empty",
    "comfy.rmsnorm": "",
    "comfy.utils": """convert_sd_to safetensors_header transformers_convert clip_text_transformers_convert
    auto_diffusers_to_mmdit flux_to_diffusers mmdit_to_diffusers unet_to_diffusers UNET_MAP_ATTENTIONS UNET_MAP_RESNET
    UNET_MAP_BASIC TRANSFORMER_BLOCKS""",
    "comfy.cli_args": "enables_dynamic_vram",
    "comfy_extras.nodes_compositing": "porter_duff_composite",
    "comfy_extras.nodes_post_processing": "gaussian_kernel",
    "comfy_extras.nodes_latent": "reshape_latent_to",
    "comfy_extras.nodes_gits": "loglinear_interp",
    "comfy_extras.nodes_model_merging": "save_checkpoint",
    "comfy_extras.nodes_freelunch": "Fourier_filter",
    "comfy_extras.nodes_hypertile": "random_divisor",
    "comfy_extras.nodes_perpneg": "Guider_PerpNeg perp_neg",
    "comfy_extras.chainner_models.architecture": "",
    "comfy_extras.chainner_models.architecture.RRDB": "RRDBNet",
    "comfy_execution.graph": "ExecutionList TopologicalSort",
    "comfy_execution.caching": """BasicCache HierarchicalCache LRUCache DependencyAwareCache CacheKeySet CacheKeySetID
    CacheKeySetInputSignature""",
    "comfy_execution.validation": "validate_node_input",
    "comfy_execution.progress": """ProgressRegistry ProgressHandler get_progress_state reset_progress_state
    add_progress_handler WebUIProgressHandler""",
    "comfy_execution.utils": "CurrentNodeContext ExecutionContext",
    "app.custom_node_manager": "CustomNodeManager",
    "app.model_manager": "ModelFileManager",
    "app.app_settings": "AppSettings",
    "api_server": "",
    "api_server.routes": "",
    "api_server.routes.internal": "",
    "api_server.routes.internal.internal_routes": "InternalRoutes",
    "comfy_config.types": "PyProjectConfig ProjectConfig",
    "comfy.model_management": "LoadedModel maximum_batch_area batch_area_memory use_more_memory archive_model_dtypes",
    "comfy_extras.nodes_tomesd": "bipartite_soft_matching_random2d",
    "comfy_extras.nodes_hypernetwork": "load_hypernetwork_patch",
}
