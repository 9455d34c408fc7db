"""Names that packs import together: all are there."""
import comfy.clip_vision
import comfy.cli_args
import comfy.conds
import comfy.controlnet
import comfy.diffusers_convert
import comfy.float
import comfy.hooks
import comfy.k_diffusion.sampling
import comfy.latent_formats
import comfy.ldm.modules.attention
import comfy.lora
import comfy.model_base
import comfy.model_detection
import comfy.model_management
import comfy.model_patcher
import comfy.model_sampling
import comfy.nested_tensor
import comfy.ops
import comfy.patcher_extension
import comfy.sample
import comfy.sampler_helpers
import comfy.samplers
import comfy.sd
import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.supported_models
import comfy.supported_models_base
import comfy.utils
import comfy_extras.nodes_clip_sdxl
import comfy_extras.nodes_compositing
import comfy_extras.nodes_custom_sampler
import comfy_extras.nodes_latent
import comfy_extras.nodes_mask
import comfy_extras.nodes_model_advanced
import comfy_extras.nodes_model_merging
import comfy_extras.nodes_post_processing
import comfy_extras.nodes_upscale_model
import execution
import folder_paths
import latent_preview
import node_helpers
import nodes
import server
from comfy.cldm.cldm import ControlNet
from comfy.comfy_types.node_typing import IO, ComfyNodeABC, InputTypeDict
from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, ResBlock, UNetModel, Upsample
from comfy.text_encoders.flux import FluxClipModel
from comfy_api.latest import ComfyExtension, InputImpl, Types, io, ui
from comfy_execution.graph import DynamicPrompt, ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder, is_link
from comfy_extras.chainner_models import model_loading


class Own(UNetModel):
    """A stand-in can be derived from."""


class Imports:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [issubclass(Own, UNetModel), isinstance(3, ControlNet), is_link(["1", 0])]}}


NODE_CLASS_MAPPINGS = {"imports_the_host_widely": Imports}
