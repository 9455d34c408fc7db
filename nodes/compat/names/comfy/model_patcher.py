"""`comfy.model_patcher`: functions on a model's options."""

from nodes.compat.faces import ModelPatcher
from nodes.compat.names.comfy.utils import string_to_seed
from nodes.compat.surgery.extension import PatcherInjection, copy_nested_dicts

__all__ = ["CoreModelPatcher", "ModelPatcher", "PatcherInjection", "string_to_seed"]

CoreModelPatcher = ModelPatcher


def create_model_options_clone(orig_model_options):
    return copy_nested_dicts(orig_model_options)


def set_model_options_patch_replace(model_options, patch, name, block_name, number, transformer_index=None):
    """Put `patch` in the place of one block's part."""
    options = dict(model_options.get("transformer_options", {}))
    replaced = dict(options.get("patches_replace", {}))
    place = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
    replaced[name] = {**replaced.get(name, {}), place: patch}
    model_options["transformer_options"] = {**options, "patches_replace": replaced}
    return model_options


def _appended(model_options, key, function, disable_cfg1_optimization):
    model_options[key] = [*model_options.get(key, []), function]
    if disable_cfg1_optimization:
        model_options["disable_cfg1_optimization"] = True
    return model_options


def set_model_options_post_cfg_function(model_options, post_cfg_function, disable_cfg1_optimization=False):
    return _appended(model_options, "sampler_post_cfg_function", post_cfg_function, disable_cfg1_optimization)


def set_model_options_pre_cfg_function(model_options, pre_cfg_function, disable_cfg1_optimization=False):
    return _appended(model_options, "sampler_pre_cfg_function", pre_cfg_function, disable_cfg1_optimization)
