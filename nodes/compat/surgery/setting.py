"""A patcher's options: functions of packs for sampling, and patches inside the network."""

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


class Setters:
    """The part of a patcher that writes `model_options`; what each function is called with, HOST_API.md section 9 says."""

    model_options: dict[str, Any]

    def set_model_sampler_cfg_function(
        self, sampler_cfg_function: Function, disable_cfg1_optimization: bool = False
    ) -> None:
        """Join both sides otherwise; one of three arguments is called with both answers and the scale."""
        if _count(sampler_cfg_function) == 3:
            plain = sampler_cfg_function

            def told(args: dict[str, Any]) -> Any:
                return plain(args["cond"], args["uncond"], args["cond_scale"])

            sampler_cfg_function = told
        self.model_options["sampler_cfg_function"] = sampler_cfg_function
        self._both(wanted=disable_cfg1_optimization)

    def set_model_sampler_pre_cfg_function(
        self, pre_cfg_function: Function, disable_cfg1_optimization: bool = False
    ) -> None:
        """Change both answers before they are joined."""
        self._one_more("sampler_pre_cfg_function", pre_cfg_function)
        self._both(wanted=disable_cfg1_optimization)

    def set_model_sampler_post_cfg_function(
        self, post_cfg_function: Function, disable_cfg1_optimization: bool = False
    ) -> None:
        """Change the joined answer."""
        self._one_more("sampler_post_cfg_function", post_cfg_function)
        self._both(wanted=disable_cfg1_optimization)

    def disable_model_cfg1_optimization(self) -> None:
        """Ask the negative side at scale 1 too."""
        self._both(wanted=True)

    def set_model_sampler_calc_cond_batch_function(self, sampler_calc_cond_batch_function: Function) -> None:
        """Ask the network for all conditions otherwise."""
        self.model_options["sampler_calc_cond_batch_function"] = sampler_calc_cond_batch_function

    def set_model_unet_function_wrapper(self, unet_wrapper_function: Function) -> None:
        """Stand before each call of the model."""
        self.model_options["model_function_wrapper"] = unet_wrapper_function

    def set_model_denoise_mask_function(self, denoise_mask_function: Function) -> None:
        """Say at each evaluation what of a mask is free."""
        self.model_options["denoise_mask_function"] = denoise_mask_function

    def set_model_optimized_attention(self, optimized_attention: Function) -> None:
        """Do attention's work otherwise."""
        self._transformer("optimized_attention_override", optimized_attention)

    def set_model_rope_options(
        self,
        scale_x: float,
        shift_x: float,
        scale_y: float,
        shift_y: float,
        scale_t: float,
        shift_t: float,
        **kwargs: Any,
    ) -> None:
        """Stretch and move the places that a rotary embedding sees."""
        said = {"scale_x": scale_x, "shift_x": shift_x, "scale_y": scale_y, "shift_y": shift_y}
        self._transformer("rope_options", said | {"scale_t": scale_t, "shift_t": shift_t} | kwargs)

    def set_model_patch(self, patch: Function, name: str) -> None:
        """One more patch of a kind."""
        options = self.model_options["transformer_options"]
        options.setdefault("patches", {}).setdefault(name, []).append(patch)

    def set_model_patch_replace(
        self,
        patch: Function,
        name: str,
        block_name: str,
        number: int,
        transformer_index: int | None = None,
    ) -> None:
        """Something in the place of a part of one block."""
        options = self.model_options["transformer_options"]
        place = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
        options.setdefault("patches_replace", {}).setdefault(name, {})[place] = patch

    def set_model_attn1_patch(self, patch: Function) -> None:
        """Change what a block's own attention is given."""
        self.set_model_patch(patch, "attn1_patch")

    def set_model_attn2_patch(self, patch: Function) -> None:
        """Change what the attention that reads the text is given."""
        self.set_model_patch(patch, "attn2_patch")

    def set_model_attn1_replace(
        self, patch: Function, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """Do the work of one block's own attention."""
        self.set_model_patch_replace(patch, "attn1", block_name, number, transformer_index)

    def set_model_attn2_replace(
        self, patch: Function, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """Do the work of one attention that reads the text."""
        self.set_model_patch_replace(patch, "attn2", block_name, number, transformer_index)

    def set_model_attn1_output_patch(self, patch: Function) -> None:
        """Change what a block's own attention gives."""
        self.set_model_patch(patch, "attn1_output_patch")

    def set_model_attn2_output_patch(self, patch: Function) -> None:
        """Change what the attention that reads the text gives."""
        self.set_model_patch(patch, "attn2_output_patch")

    def set_model_input_block_patch(self, patch: Function) -> None:
        """Change what an input block gives, before it is kept for the way up."""
        self.set_model_patch(patch, "input_block_patch")

    def set_model_input_block_patch_after_skip(self, patch: Function) -> None:
        """Change what an input block gives, after it is kept for the way up."""
        self.set_model_patch(patch, "input_block_patch_after_skip")

    def set_model_output_block_patch(self, patch: Function) -> None:
        """Change what meets where the way up takes in a skip."""
        self.set_model_patch(patch, "output_block_patch")

    def set_model_middle_block_after_patch(self, patch: Function) -> None:
        """Change what the middle block gives."""
        self.set_model_patch(patch, "middle_block_after_patch")

    def set_model_emb_patch(self, patch: Function) -> None:
        """Change the embedding of the timestep."""
        self.set_model_patch(patch, "emb_patch")

    def set_model_forward_timestep_embed_patch(self, patch: Any) -> None:
        """Let layers of a class be called otherwise."""
        self.set_model_patch(patch, "forward_timestep_embed_patch")

    def set_model_double_block_patch(self, patch: Function) -> None:
        """Change what a transformer's block of two streams gives."""
        self.set_model_patch(patch, "double_block")

    def set_model_post_input_patch(self, patch: Function) -> None:
        """Change a transformer's tokens before its blocks."""
        self.set_model_patch(patch, "post_input")

    def set_model_noise_refiner_patch(self, patch: Function) -> None:
        """Change what a block that refines noise gives."""
        self.set_model_patch(patch, "noise_refiner")

    def _transformer(self, name: str, value: Any) -> None:
        self.model_options["transformer_options"][name] = value

    def _one_more(self, name: str, function: Function) -> None:
        self.model_options[name] = [*self.model_options.get(name, []), function]

    def _both(self, *, wanted: bool) -> None:
        if wanted:
            self.model_options["disable_cfg1_optimization"] = True


def _count(function: Function) -> int:
    """How many arguments a function has."""
    import inspect

    try:
        return len(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return 1
