"""`comfy.cli_args`: the command line, as packs read it. What of it Weft was started with is set by `configure`."""

import argparse
from enum import StrEnum

NONE = """tls_keyfile tls_certfile enable_cors_header base_directory models_directory
    extra_model_paths_config output_directory temp_directory input_directory user_directory cuda_device
    default_device directml oneapi_device_selector reserve_vram async_offload front_end_root"""
FALSE = """auto_launch disable_auto_launch cuda_malloc disable_cuda_malloc force_fp32 force_fp16 fp32_unet
    fp64_unet bf16_unet fp16_unet fp8_e4m3fn_unet fp8_e5m2_unet fp8_e8m0fnu_unet fp16_vae fp32_vae bf16_vae
    cpu_vae fp8_e4m3fn_text_enc fp8_e5m2_text_enc fp16_text_enc fp32_text_enc bf16_text_enc
    fp16_intermediates force_channels_last supports_fp8_compute enable_triton_backend disable_triton_backend
    cache_classic cache_none high_ram use_split_cross_attention use_quad_cross_attention
    use_pytorch_cross_attention use_sage_attention use_flash_attention use_ck_attention disable_xformers
    force_upcast_attention dont_upcast_attention enable_manager disable_manager_ui enable_manager_legacy_ui
    gpu_only highvram lowvram novram cpu disable_nvml_pressure disable_async_offload disable_dynamic_vram
    enable_dynamic_vram fast_disk disable_cuda_graphs force_non_blocking disable_smart_memory deterministic
    debug_hang disable_pinned_memory mmap_torch_files disable_mmap dont_print_server quick_test_for_ci
    windows_standalone_build disable_metadata disable_all_custom_nodes disable_api_nodes multi_user
    log_stdout enable_compress_response_body enable_assets enable_asset_hashing list_feature_flags"""


class LatentPreviewMethod(StrEnum):
    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"

    @classmethod
    def from_string(cls, value):
        return next((method for method in cls if method.value == value), None)


class PerformanceFeature(StrEnum):
    Fp16Accumulation = "fp16_accumulation"
    Fp8MatrixMultiplication = "fp8_matrix_mult"
    CublasOps = "cublas_ops"
    AutoTune = "autotune"


parser = argparse.ArgumentParser()
args = argparse.Namespace(
    **dict.fromkeys(NONE.split()),
    **dict.fromkeys(FALSE.split(), False),
    listen="127.0.0.1",
    port=8188,
    max_upload_size=100,
    preview_method=LatentPreviewMethod.NoPreviews,
    preview_size=512,
    cache_ram=[],
    cache_lru=0,
    vram_headroom=0,
    default_hashing_function="sha256",
    fast=set(),
    whitelist_custom_nodes=[],
    verbose=[],
    front_end_version="comfyanonymous/ComfyUI@latest",
    comfy_api_base="https://api.comfy.org",
    database_url="",
    feature_flag=[],
)


def configure(options):
    """What Weft was started with, by the names of the field's options."""
    for name, value in options.items():
        setattr(args, name, value)
