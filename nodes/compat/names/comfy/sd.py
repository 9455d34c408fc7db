"""`comfy.sd`: text encoders, autoencoders, and kinds of them."""

from enum import Enum
from pathlib import Path

import torch
from safetensors.torch import save_file

from nodes.builtin.models import safe, told
from nodes.compat.clip_face import CLIP
from nodes.compat.clip_stage import SD1ClipModel, SD1Tokenizer, SDClipModel, SDTokenizer
from nodes.compat.faced import context
from nodes.compat.faces import VAE, ModelPatcher
from nodes.compat.names import folder_paths
from nodes.compat.standing import refuse
from nodes.compat.surgery.weights import lora_of
from nodes.compat.vision_face import vision_of
from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.keys import key
from nodes.diffusion.models.detect import Part, contents, text_kind
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.values import Clip, Model, ModelSettings, TensorPatch, Vae

__all__ = ["SD1ClipModel", "SD1Tokenizer", "SDClipModel", "SDTokenizer"]
KINDS = """STABLE_DIFFUSION STABLE_CASCADE SD3 STABLE_AUDIO HUNYUAN_DIT FLUX MOCHI LTXV HUNYUAN_VIDEO PIXART
    COSMOS LUMINA2 WAN HIDREAM CHROMA ACE OMNIGEN2 QWEN_IMAGE HUNYUAN_IMAGE HUNYUAN_VIDEO_15 OVIS KANDINSKY5
    KANDINSKY5_IMAGE NEWBIE FLUX2 LONGCAT_IMAGE COGVIDEOX LENS PIXELDIT IDEOGRAM4 BOOGU KREA2 JOYIMAGE MAGE
    MINIMAX"""

CLIPType = Enum("CLIPType", KINDS)

PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
EIGHT_BITS = {torch.float8_e4m3fn: "fp8_e4m3fn", torch.float8_e5m2: "fp8_e5m2"}


def reference(path):
    """A file with the hash of its content, in a form that can be opened without harm."""
    node = context()
    with told():
        return node.resource(ContentHashes).reference(safe(node, Path(path)))


def kept(weights):
    """Weights in memory as a file in the temporary folder, called by what they hold.

    Raises:
        NotOffered: there are none among them.
    """
    tensors = {name: each.contiguous() for name, each in weights.items() if isinstance(each, torch.Tensor)}
    if not tensors:
        refuse("comfy.sd's models without weights")
    folder = Path(folder_paths.get_temp_directory()) / "weights"
    path = folder / f"{key(tensors)}.safetensors"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: each.clone() for name, each in tensors.items()}, path)
    return reference(path)


VAE.kept = staticmethod(kept)


def holds(file, part):
    """Whether a file has a part; one of which nothing is known has none."""
    try:
        return part in contents(file.path)
    except CheckpointUnknown:
        return False


def _settings(model_options):
    """What the options of a loader ask for.

    Raises:
        NotOffered: a type of numbers that Weft keeps no weights in.
    """
    dtype = (model_options or {}).get("dtype")
    if dtype is None:
        return ModelSettings()
    if dtype in EIGHT_BITS:
        return ModelSettings(stored=EIGHT_BITS[dtype])
    if dtype not in PRECISIONS:
        refuse(f"comfy.sd's weights in {dtype}")
    return ModelSettings(compute=PRECISIONS[dtype])


def load_checkpoint_guess_config(
    ckpt_path,
    output_vae=True,
    output_clip=True,
    output_clipvision=False,
    embedding_directory=None,
    output_model=True,
    model_options=None,
    te_model_options=None,
    disable_dynamic=False,
):
    """(model, text encoder, autoencoder, vision model) of a file; None where it has none, or nobody wants it."""
    file = reference(ckpt_path)
    with told():
        parts, kind = contents(file.path), text_kind(file.path)
    if Part.NETWORK not in parts:
        raise RuntimeError(f"ERROR: Could not detect model type of: {ckpt_path}")
    model = ModelPatcher(Model(file, settings=_settings(model_options))) if output_model else None
    clip = CLIP(Clip(file, kind=kind)) if output_clip and Part.TEXT in parts else None
    vae = VAE(Vae(file)) if output_vae and Part.VAE in parts else None
    return model, clip, vae, vision_of(file) if output_clipvision else None


def load_checkpoint(
    config_path=None, ckpt_path=None, output_vae=True, output_clip=True, embedding_directory=None, **more
):
    """The first three of `load_checkpoint_guess_config`."""
    return load_checkpoint_guess_config(ckpt_path, output_vae, output_clip)[:3]


def load_diffusion_model(unet_path, model_options=None, disable_dynamic=False):
    """A model from a file of its own."""
    file = reference(unet_path)
    with told():
        parts = contents(file.path)
    if Part.NETWORK not in parts:
        raise RuntimeError(f"ERROR: Could not detect model type of: {unet_path}")
    return ModelPatcher(Model(file, settings=_settings(model_options)))


def load_diffusion_model_state_dict(sd, model_options=None, metadata=None, disable_dynamic=False):
    """A model of weights; None where they are of none that is known."""
    file = kept(sd)
    if not holds(file, Part.NETWORK):
        return None
    return ModelPatcher(Model(file, settings=_settings(model_options)))


def load_state_dict_guess_config(
    sd,
    output_vae=True,
    output_clip=True,
    output_clipvision=False,
    embedding_directory=None,
    output_model=True,
    model_options=None,
    te_model_options=None,
    metadata=None,
    disable_dynamic=False,
):
    """As `load_checkpoint_guess_config`, of weights; None where they are of none that is known."""
    file = kept(sd)
    if not holds(file, Part.NETWORK):
        return None
    wanted = (output_vae, output_clip, output_clipvision, embedding_directory, output_model)
    return load_checkpoint_guess_config(file.path, *wanted, model_options, te_model_options)


def load_text_encoder_state_dicts(
    state_dicts=(),
    embedding_directory=None,
    clip_type=CLIPType["STABLE_DIFFUSION"],
    model_options=None,
    disable_dynamic=False,
):
    """Text encoders of weights, read together."""
    return load_clip([kept(each).path for each in state_dicts], embedding_directory, clip_type)


def load_unet(unet_path, dtype=None):
    return load_diffusion_model(unet_path, {"dtype": dtype})


def load_clip(
    ckpt_paths,
    embedding_directory=None,
    clip_type=CLIPType["STABLE_DIFFUSION"],
    model_options=None,
    disable_dynamic=False,
):
    """Text encoders from files of their own, read together."""
    first, *others = (reference(path) for path in ckpt_paths)
    return CLIP(Clip(first, others=tuple(others), kind=clip_type.name.lower()))


def load_lora_for_models(model, clip, lora, strength_model, strength_clip, lora_metadata=None):
    """Both with a LoRA on; each may be None. What fits nothing in them is told when they are used."""
    made = []
    for face, strength in ((model, strength_model), (clip, strength_clip)):
        changed = None if face is None else face.clone()
        if changed is not None and strength:
            changed.recipe = changed.recipe.patched(TensorPatch(lora_of(lora), float(strength)))
        made.append(changed)
    return tuple(made)
