"""`comfy.lora`: files of changes by the weights that they are for."""

import torch

from nodes.compat.surgery.weights import Adapter, calculated
from nodes.diffusion.lora_files import sorted_by_module
from nodes.diffusion.lora_names import known, usual

NETWORK, WEIGHT = "diffusion_model.", ".weight"


def model_lora_keys_unet(model, key_map=None):
    """{how files call a module: its weight}, in the spellings of the field."""
    key_map = {} if key_map is None else key_map
    loaded = model.loaded()
    theirs = {place.ours: place.theirs for place in loaded.published if place.rows is None}
    for own in loaded.module.state_dict():
        if not own.endswith(WEIGHT):
            continue
        stored = NETWORK + theirs.get(own, own)
        for name in (theirs.get(own, own), own):
            module = name.removesuffix(WEIGHT)
            key_map[f"lora_unet_{module.replace('.', '_')}"] = stored
            key_map[f"lycoris_{module.replace('.', '_')}"] = stored
            key_map[f"diffusion_model.{module}"] = key_map[f"transformer.{module}"] = stored
            key_map[f"unet.{module}"] = stored
        key_map[stored.removesuffix(WEIGHT)] = stored
    return key_map


def load_lora(lora, to_load, log_missing=True):
    """{weight: its change}, of the modules in `to_load`."""
    changes = {known(name): change for name, change in sorted_by_module(lora).items()}
    made = {}
    for name, stored in to_load.items():
        change = changes.get(known(usual(name)))
        if change is None:
            continue
        parts = change.parts
        if parts.keys() == {"whole"}:
            made[stored] = ("diff", (parts["whole"],))
        elif "instead" in parts:
            made[stored] = ("set", (parts["instead"],))
        elif parts.keys() - {"bias"}:
            made[stored] = Adapter(change)
        if "bias" in parts and isinstance(stored, str):
            made[f"{stored.removesuffix(WEIGHT)}.bias"] = ("diff", (parts["bias"],))
    return made


def calculate_weight(patches, weight, key, intermediate_dtype=torch.float32, original_weights=None):
    """A weight with changes on it."""
    return calculated(patches, weight, intermediate_dtype).to(weight.dtype)
