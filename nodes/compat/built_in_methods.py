"""What the field calls the method of each built-in node that packs call; of all others it is `execute`.

After the name, the order of its arguments, where it is not that of the node's inputs.
"""

from collections.abc import Mapping

METHODS: Mapping[str, str] = {
    "CheckpointLoaderSimple": "load_checkpoint",
    "LoraLoader": "load_lora model clip lora_name strength_model strength_clip",
    "LoraLoaderModelOnly": "load_lora_model_only",
    "VAELoader": "load_vae",
    "UNETLoader": "load_unet",
    "CLIPLoader": "load_clip",
    "DualCLIPLoader": "load_clip",
    "TripleCLIPLoader": "load_clip",
    "CLIPVisionLoader": "load_clip",
    "CLIPVisionEncode": "encode",
    "StyleModelLoader": "load_style_model",
    "GLIGENLoader": "load_gligen",
    "ControlNetLoader": "load_controlnet",
    "ControlNetApply": "apply_controlnet",
    "ControlNetApplyAdvanced": "apply_controlnet positive negative control_net image strength start_percent end_percent vae",
    "CLIPTextEncode": "encode clip text",
    "CLIPSetLastLayer": "set_last_layer",
    "ConditioningCombine": "combine",
    "ConditioningAverage": "addWeighted",
    "ConditioningConcat": "concat",
    "ConditioningZeroOut": "zero_out",
    "ConditioningSetTimestepRange": "set_range",
    "ConditioningSetMask": "append conditioning mask set_cond_area strength",
    "ConditioningSetArea": "append conditioning width height x y strength",
    "ConditioningSetAreaPercentage": "append",
    "VAEDecode": "decode vae samples",
    "VAEDecodeTiled": "decode vae samples tile_size overlap temporal_size temporal_overlap",
    "VAEEncode": "encode vae pixels",
    "VAEEncodeTiled": "encode vae pixels tile_size overlap temporal_size temporal_overlap",
    "VAEEncodeForInpaint": "encode vae pixels mask grow_mask_by",
    "InpaintModelConditioning": "encode positive negative pixels vae mask noise_mask",
    "KSampler": "sample",
    "KSamplerAdvanced": "sample",
    "SamplerCustom": "sample model add_noise noise_seed cfg positive negative sampler sigmas latent_image",
    "SamplerCustomAdvanced": "sample noise guider sampler sigmas latent_image",
    "EmptyLatentImage": "generate",
    "LatentUpscale": "upscale",
    "LatentUpscaleBy": "upscale",
    "LatentFromBatch": "frombatch",
    "RepeatLatentBatch": "repeat",
    "SetLatentNoiseMask": "set_mask",
    "LatentComposite": "composite",
    "LatentBlend": "blend",
    "LatentRotate": "rotate",
    "LatentFlip": "flip",
    "LatentCrop": "crop",
    "ImageScale": "upscale",
    "ImageScaleBy": "upscale",
    "ImageBatch": "batch",
    "ImageInvert": "invert",
    "ImagePadForOutpaint": "expand_image",
    "EmptyImage": "generate",
    "LoadImage": "load_image",
    "LoadImageMask": "load_image",
    "SaveImage": "save_images",
    "PreviewImage": "save_images",
    "LoadLatent": "load",
    "SaveLatent": "save",
    "ImageUpscaleWithModel": "upscale upscale_model image",
    "UpscaleModelLoader": "load_model",
    "GrowMask": "expand_mask",
    "SplitSigmas": "get_sigmas",
    "ModelSamplingSD3": "patch",
    "ModelSamplingDiscrete": "patch",
    "RescaleCFG": "patch",
    "JoinImageWithAlpha": "execute image alpha",
    "CLIPTextEncodeSDXL": "execute clip width height crop_w crop_h target_width target_height text_g text_l",
    "PatchModelAddDownscale": "patch",
}

# Which module of the field a class lies in, where packs import it from there.
EXTRAS: Mapping[str, str] = {
    "nodes_upscale_model": "ImageUpscaleWithModel UpscaleModelLoader",
    "nodes_clip_sdxl": "CLIPTextEncodeSDXL CLIPTextEncodeSDXLRefiner",
    "nodes_compositing": "JoinImageWithAlpha SplitImageWithAlpha PorterDuffImageComposite",
    "nodes_custom_sampler": """SamplerCustom SamplerCustomAdvanced BasicScheduler KarrasScheduler
    ExponentialScheduler PolyexponentialScheduler LaplaceScheduler VPScheduler BetaSamplingScheduler
    SDTurboScheduler SplitSigmas SplitSigmasDenoise FlipSigmas SetFirstSigma ExtendIntermediateSigmas
    SamplingPercentToSigma KSamplerSelect BasicGuider CFGGuider DualCFGGuider RandomNoise DisableNoise
    AddNoise SamplerEulerAncestral SamplerEulerAncestralCFGPP SamplerLMS SamplerDPMPP_3M_SDE
    SamplerDPMPP_2M_SDE SamplerDPMPP_SDE SamplerDPMPP_2S_Ancestral SamplerDPMAdaptative SamplerER_SDE
    SamplerSASolver""",
    "nodes_mask": """LatentCompositeMasked ImageCompositeMasked MaskToImage ImageToMask ImageColorToMask
    SolidMask InvertMask CropMask MaskComposite FeatherMask GrowMask ThresholdMask MaskPreview""",
    "nodes_model_advanced": """ModelSamplingDiscrete ModelSamplingContinuousEDM ModelSamplingContinuousV
    ModelSamplingStableCascade ModelSamplingSD3 ModelSamplingAuraFlow ModelSamplingFlux RescaleCFG
    ModelComputeDtype""",
    "nodes_model_merging": """ModelMergeSimple ModelMergeBlocks ModelMergeSubtract ModelMergeAdd
    CheckpointSave CLIPMergeSimple CLIPMergeSubtract CLIPMergeAdd CLIPSave VAESave ModelSave""",
    "nodes_post_processing": "ImageBlend ImageBlur ImageQuantize ImageSharpen ImageScaleToTotalPixels",
    "nodes_latent": """LatentAdd LatentSubtract LatentMultiply LatentInterpolate LatentConcat LatentCut
    LatentBatch LatentBatchSeedBehavior LatentApplyOperation LatentApplyOperationCFG
    LatentOperationTonemapReinhard LatentOperationSharpen""",
    "nodes_align_your_steps": "AlignYourStepsScheduler",
    "nodes_gits": "GITSScheduler",
    "nodes_images": """ImageCrop RepeatImageBatch ImageFromBatch ImageAddNoise SaveAnimatedWEBP
    SaveAnimatedPNG ImageStitch ResizeAndPadImage""",
    "nodes_canny": "Canny",
    "nodes_flux": "CLIPTextEncodeFlux FluxGuidance FluxDisableGuidance FluxKontextImageScale",
    "nodes_sd3": "EmptySD3LatentImage CLIPTextEncodeSD3 SkipLayerGuidanceSD3 ControlNetApplySD3 TripleCLIPLoader",
    "nodes_differential_diffusion": "DifferentialDiffusion",
    "nodes_freelunch": "FreeU FreeU_V2",
    "nodes_hypertile": "HyperTile",
    "nodes_perpneg": "PerpNeg PerpNegGuider",
    "nodes_sag": "SelfAttentionGuidance",
    "nodes_morphology": "Morphology",
    "nodes_rebatch": "LatentRebatch ImageRebatch",
    "nodes_controlnet": "SetUnionControlNetType ControlNetInpaintingAliMamaApply",
    "nodes_hooks": "CreateHookLora CreateHookKeyframe SetHookKeyframes CombineHooks2 ConditioningSetProperties",
    "nodes_audio": "EmptyLatentAudio VAEEncodeAudio VAEDecodeAudio SaveAudio PreviewAudio LoadAudio",
    "nodes_video": "SaveWEBM SaveVideo CreateVideo GetVideoComponents LoadVideo",
    "nodes_lt": "EmptyLTXVLatentVideo LTXVImgToVideo LTXVConditioning ModelSamplingLTXV LTXVScheduler LTXVPreprocess",
    "nodes_wan": "WanImageToVideo WanFirstLastFrameToVideo WanVaceToVideo TrimVideoLatent",
    "nodes_hunyuan": "EmptyHunyuanLatentVideo CLIPTextEncodeHunyuanDiT",
    "nodes_stable_cascade": """StableCascade_EmptyLatentImage StableCascade_StageC_VAEEncode
    StableCascade_StageB_Conditioning StableCascade_SuperResolutionControlnet""",
    "nodes_string": "StringConcatenate StringSubstring StringLength CaseConverter StringTrim StringReplace RegexMatch",
}
