"""ModelPatcher's faces on our models: what packs put into one does what a node of ours for the same job does."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from nodes.compat.convert import inward
from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.values import Latent, Rule
from tests.compat.tiny_models import EMPTY, NEAR, Host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("surgery"))
    with made.running():
        yield made


@pytest.fixture(scope="module")
def plain(host: Host) -> torch.Tensor:
    return host.sampled(host.recipe)


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, atol=NEAR, rtol=NEAR)


# --- functions around the model ---------------------------------------------------------------------------------------


def test_a_function_wrapper_gets_both_sides_in_one_batch_and_changes_nothing_by_itself(
    host: Host, plain: torch.Tensor
):
    seen: list[Any] = []

    def wrapper(apply_model: Any, args: Any) -> Any:
        options = args["c"]["transformer_options"]
        seen.append((args["cond_or_uncond"], len(args["input"]), tuple(args["timestep"].shape), options))
        return apply_model(args["input"], args["timestep"], **args["c"])

    model = host.patcher()
    model.set_model_unet_function_wrapper(wrapper)
    assert near(host.sampled(model), plain)
    assert [entry[:3] for entry in seen] == [([1, 0], 2, (2,))] * 2
    first = seen[0][3]
    assert first["cond_or_uncond"] == [1, 0] and first["sigmas"].shape == (1,)
    assert first is not seen[1][3]  # fresh for each evaluation


def test_a_function_wrapper_can_change_text_and_answer(host: Host):
    def wrapper(apply_model: Any, args: Any) -> Any:
        told = {**args["c"], "c_crossattn": args["c"]["c_crossattn"] * 0.5}
        return apply_model(args["input"], args["timestep"], **told) * 0.9

    model = host.patcher()
    model.set_model_unet_function_wrapper(wrapper)

    class Weaker(Rule):
        """Both sides' answers times a number."""

        def before(self, at: Evaluation) -> Any:
            return [side * 0.9 for side in at.sides]

    halved = {
        side: tuple(replace(cond, context=cond.context * 0.5) for cond in conds)
        for side, conds in importlib.import_module("tests.compat.tiny_models").PROMPTS.items()
    }
    ours = host.run(
        "KSampler", model=host.recipe.ruled(Weaker()), latent_image=EMPTY, seed=5, steps=2, cfg=3.0,
        sampler_name="euler", scheduler="normal", denoise=0.5, **halved,
    ).samples  # fmt: skip
    assert near(host.sampled(model), ours)


def test_a_cfg_function_is_what_the_node_for_it_does(host: Host):
    def rescale(args: Any) -> Any:
        x, sigma = args["input"], args["sigma"].view(-1, 1, 1, 1)
        scaled = x / (sigma * sigma + 1.0)
        v_cond, v_uncond = (
            (scaled - (x - args[name])) * (sigma**2 + 1.0) ** 0.5 / sigma for name in ("cond", "uncond")
        )
        guided = v_uncond + args["cond_scale"] * (v_cond - v_uncond)
        axes = (1, 2, 3)
        share = v_cond.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
        final = 0.7 * guided * share + 0.3 * guided
        return x - (scaled - final * sigma / (sigma * sigma + 1.0) ** 0.5)

    model = host.patcher()
    model.set_model_sampler_cfg_function(rescale)
    ours = host.run("RescaleCFG", model=host.recipe, multiplier=0.7)
    assert torch.allclose(host.sampled(model, steps=1), host.sampled(ours, steps=1), atol=1e-4)


def test_a_cfg_function_of_three_arguments_gets_both_answers_and_the_scale(host: Host):
    model = host.patcher()
    model.set_model_sampler_cfg_function(lambda cond, uncond, scale: uncond + (cond - uncond) * scale)
    made, plain = (host.sampled(each, steps=1) for each in (model, host.recipe))
    assert torch.allclose(
        made, plain, atol=1e-4
    )  # they are told of answers less the noisy latents, which rounds


def test_functions_after_guidance_follow_each_other_and_are_told_of_both_sides(host: Host):
    order: list[str] = []

    def norm(args: Any) -> Any:
        order.append("norm")
        assert set(args) >= {
            "denoised", "cond", "uncond", "cond_scale", "model", "uncond_denoised", "cond_denoised", "sigma",
            "model_options", "input",
        }  # fmt: skip
        said, guided = args["cond_denoised"], args["denoised"]
        share = said.norm(dim=1, keepdim=True) / guided.norm(dim=1, keepdim=True)
        return guided * share.clamp(max=1.0)

    def after(args: Any) -> Any:
        order.append("after")
        return args["denoised"]

    model = host.patcher()
    model.set_model_sampler_post_cfg_function(norm)
    model.set_model_sampler_post_cfg_function(after)
    ours = host.run("CFGNorm", model=host.recipe, strength=1.0)
    assert near(host.sampled(model), host.sampled(ours))
    assert order == ["norm", "after"] * 2


def test_a_function_before_guidance_changes_both_sides(host: Host):
    def damped(args: Any) -> Any:
        cond, uncond = args["conds_out"]
        assert [entry["cross_attn"].shape for side in args["conds"] for entry in side] == [(1, 77, 192)] * 2
        return [cond, uncond * 0.5]

    class Halved(Rule):
        """Half of the negative side's answer."""

        def before(self, at: Evaluation) -> Any:
            return [at.sides[0], at.sides[1] * 0.5]

    model = host.patcher()
    model.set_model_sampler_pre_cfg_function(damped)
    assert near(host.sampled(model), host.sampled(host.recipe.ruled(Halved())))


@pytest.mark.parametrize("asked", [False, True])
def test_at_scale_one_the_negative_side_is_asked_where_a_function_needs_it(host: Host, asked: bool):
    sides: list[float] = []

    def look(args: Any) -> Any:
        sides.append(float(args["uncond_denoised"].abs().sum()))
        return args["denoised"]

    model = host.patcher()
    model.set_model_sampler_post_cfg_function(look, disable_cfg1_optimization=asked)
    assert near(host.sampled(model, cfg=1.0, steps=1), host.sampled(host.recipe, cfg=1.0, steps=1))
    assert all(bool(total) is asked for total in sides) and len(sides) == 1


def test_asking_for_all_conditions_can_be_done_otherwise(host: Host, plain: torch.Tensor):
    samplers = importlib.import_module("nodes.compat.surgery.rules")
    seen: list[Any] = []

    def batch(args: Any) -> Any:
        seen.append(len(args["conds"]))
        assert samplers.taken(args["conds"][0])[0].context.shape == (1, 77, 192)
        return [torch.zeros_like(args["input"]) for _ in args["conds"]]

    model = host.patcher()
    model.set_model_sampler_calc_cond_batch_function(batch)
    assert not near(host.sampled(model), plain) and seen == [2, 2]


# --- patches inside ---------------------------------------------------------------------------------------------------


class Inside(Rule):
    """Changes of ours inside the network."""

    def __init__(self, **changes: Any) -> None:
        self.changes = NetworkChanges(**changes)

    def inside(self, _at: Evaluation) -> NetworkChanges:
        return self.changes


def test_a_patch_of_skips_is_freeu(host: Host):
    width = 64

    def low(skip: Any, factor: float) -> Any:
        turned = torch.fft.fftshift(torch.fft.fftn(skip.float(), dim=(-2, -1)), dim=(-2, -1))
        factors = torch.ones(skip.shape[-2:])
        rows, columns = (side // 2 for side in skip.shape[-2:])
        factors[max(rows - 1, 0) : rows + 1, max(columns - 1, 0) : columns + 1] = factor
        back = torch.fft.ifftshift(turned * factors, dim=(-2, -1))
        return torch.fft.ifftn(back, dim=(-2, -1)).real.to(skip.dtype)

    def patch(h: Any, hsp: Any, options: Any) -> Any:
        assert options["block"][0] == "output"
        row = {4 * width: (1.1, 0.9), 2 * width: (1.2, 0.2)}.get(h.shape[1])
        if row is None:
            return h, hsp
        half = h.shape[1] // 2
        return torch.cat([h[:, :half] * row[0], h[:, half:]], 1), low(hsp, row[1])

    width = host.patcher().model.loaded().module.conv_in.out_channels
    model = host.patcher()
    model.set_model_output_block_patch(patch)
    ours = host.run("FreeU", model=host.recipe, b1=1.1, b2=1.2, s1=0.9, s2=0.2)
    assert near(host.sampled(model), host.sampled(ours))


@pytest.mark.parametrize("after", [True, False])
def test_a_patch_of_input_blocks_is_deep_shrink(host: Host, after: bool):
    upscale = importlib.import_module("comfy.utils").common_upscale

    def smaller(h: Any, options: Any) -> Any:
        if options["block"] != ("input", 2):
            return h
        return upscale(h, round(h.shape[-1] / 2), round(h.shape[-2] / 2), "bicubic", "disabled")

    def fitted(h: Any, hsp: Any, _options: Any) -> Any:
        if h.shape[2] != hsp.shape[2]:
            h = upscale(h, hsp.shape[-1], hsp.shape[-2], "bicubic", "disabled")
        return h, hsp

    model = host.patcher()
    if after:
        model.set_model_input_block_patch_after_skip(smaller)
    else:
        model.set_model_input_block_patch(smaller)
    model.set_model_output_block_patch(fitted)
    ours = host.run(
        "PatchModelAddDownscale", model=host.recipe, block_number=2, downscale_factor=2.0, start_percent=0.0,
        end_percent=1.0, downscale_after_skip=after, downscale_method="bicubic", upscale_method="bicubic",
    )  # fmt: skip
    assert near(host.sampled(model), host.sampled(ours))


def test_patches_of_attention_are_changes_of_attention(host: Host, plain: torch.Tensor):
    places: list[Any] = []

    def before(n: Any, context: Any, value: Any, extra: Any) -> Any:
        places.append((extra["block"], extra["block_index"], extra["transformer_index"]))
        assert n.shape[-1] == extra["n_heads"] * extra["dim_head"] and "patches" not in extra
        return n, context * 0.5, value

    def after(n: Any, extra: Any) -> Any:
        assert extra["activations_shape"][-2] * extra["activations_shape"][-1] == n.shape[1]
        return n * 0.9

    def ours(attention: Any, attend: Any) -> Any:
        if not attention.place.cross:
            return attend(attention)
        return attend(attention.on(attention.queries, attention.keys * 0.5, attention.values)) * 0.9

    model = host.patcher()
    model.set_model_attn2_patch(before)
    model.set_model_attn2_output_patch(after)
    made = host.sampled(model)
    assert near(made, host.sampled(host.recipe.ruled(Inside(attention=(ours,))))) and not near(made, plain)
    numbers = [index for _, _, index in places]
    assert numbers[: max(numbers) + 1] == list(range(max(numbers) + 1))
    assert {block[0] for block, _, _ in places} <= {"input", "middle", "output"}


@pytest.mark.parametrize("index", [None, 0])
def test_an_attention_replaced_by_its_values_is_perturbed_attention(host: Host, index: int | None):
    heads: list[int] = []

    def values(q: Any, k: Any, v: Any, extra: Any) -> Any:
        assert q.shape == k.shape == v.shape
        heads.append(extra["n_heads"])
        return v

    def ours(attention: Any, attend: Any) -> Any:
        here = attention.place.way.value == "middle" and not attention.place.cross
        return attention.out(attention.unmixed()) if here else attend(attention)

    model = host.patcher()
    model.set_model_attn1_replace(values, "middle", 0, index)
    assert near(host.sampled(model), host.sampled(host.recipe.ruled(Inside(attention=(ours,)))))
    assert heads


def test_attention_done_by_the_hosts_own_function_changes_nothing(host: Host, plain: torch.Tensor):
    calls: list[int] = []

    def override(func: Any, q: Any, k: Any, v: Any, heads: int, *args: Any, **more: Any) -> Any:
        calls.append(heads)
        return func(q, k, v, heads, *args, **more)

    model = host.patcher()
    model.set_model_optimized_attention(override)
    assert near(host.sampled(model), plain) and calls


def test_patches_between_attentions_of_the_middle_block_and_of_the_embedding_are_heard(host: Host):
    heard: dict[str, Any] = {}

    def between(x: Any, extra: Any) -> Any:
        heard["between"] = extra["n_heads"]
        return x

    def middle(args: Any) -> Any:
        heard["middle"] = {name: args[name] is not None for name in ("h", "x", "emb", "context", "timesteps")}
        return {"h": args["h"] * 0.5}

    def embedding(emb: Any, channels: int, _options: Any) -> Any:
        heard["emb"] = (emb.shape[-1], channels)
        return emb

    model = host.patcher()
    model.set_model_patch(between, "middle_patch")
    model.set_model_middle_block_after_patch(middle)
    model.set_model_emb_patch(embedding)
    halved = Inside(middle=(lambda _number, hidden: hidden * 0.5,))
    assert near(host.sampled(model), host.sampled(host.recipe.ruled(halved)))
    assert all(heard["middle"].values()) and heard["emb"][0] == 4 * heard["emb"][1] and heard["between"] > 0


# --- wrappers, callbacks, parts ---------------------------------------------------------------------------------------


def test_wrappers_stand_around_their_part_of_a_run_the_first_outermost(host: Host, plain: torch.Tensor):
    extension = importlib.import_module("comfy.patcher_extension")
    base = importlib.import_module("comfy.model_base").BaseModel
    calls: list[Any] = []

    def apply(name: str) -> Any:
        def wrapper(executor: Any, x: Any, t: Any, *args: Any, **more: Any) -> Any:
            assert isinstance(executor.class_obj, base)
            calls.append(name)
            return executor(x, t, *args, **more)

        return wrapper

    def network(executor: Any, x: Any, timesteps: Any, context: Any, *args: Any, **more: Any) -> Any:
        calls.append(("network", executor.class_obj is executor.class_obj, context.shape[0]))
        return executor(x, timesteps, context, *args, **more)

    def batch(executor: Any, model: Any, conds: Any, x_in: Any, timestep: Any, options: Any) -> Any:
        calls.append(("batch", executor.class_obj, len(conds)))
        return executor(model, conds, x_in, timestep, options)

    model = host.patcher()
    kinds = extension.WrappersMP
    model.add_wrapper_with_key(kinds.APPLY_MODEL, "one", apply("outer"))
    model.add_wrapper(kinds.APPLY_MODEL, apply("inner"))
    model.add_wrapper_with_key(kinds.DIFFUSION_MODEL, "two", network)
    model.add_wrapper(kinds.CALC_COND_BATCH, batch)
    assert near(host.sampled(model, steps=1), host.sampled(host.recipe, steps=1))
    assert calls == [("batch", None, 2), "outer", "inner", ("network", True, 2)]
    model.remove_wrappers_with_key(kinds.APPLY_MODEL, "one")
    assert len(model.get_all_wrappers(kinds.APPLY_MODEL)) == 1
    assert model.get_wrappers(kinds.APPLY_MODEL, "one") == []


def test_a_model_sampling_of_a_pack_is_what_the_node_for_it_makes(host: Host):
    sampling = importlib.import_module("comfy.model_sampling")

    class Own(sampling.ModelSamplingDiscrete, sampling.EPS):
        pass

    model = host.patcher()
    own = Own(model.model.model_config, zsnr=True)
    model.add_object_patch("model_sampling", own)
    assert model.get_model_object("model_sampling") is own
    assert host.patcher().get_model_object("model_sampling") is not own
    ours = host.run("ModelSamplingDiscrete", model=host.recipe, sampling="eps", zsnr=True)
    assert near(host.sampled(model), host.sampled(ours))
    again = host.patcher(inward(model, "MODEL"))
    assert again.get_model_object("model_sampling") is own


def test_what_a_model_s_own_sampling_says_is_what_its_levels_say(host: Host):
    sampling = importlib.import_module("comfy.model_sampling")
    found = host.patcher().get_model_object("model_sampling")
    levels = host.patcher().model.loaded().levels
    assert isinstance(found, sampling.ModelSamplingDiscrete) and isinstance(found, sampling.V_PREDICTION)
    assert torch.equal(found.sigmas, levels.sigmas) and found.percent_to_sigma(0.3) == levels.at_percent(0.3)
    assert found.percent_to_sigma(0) == 999999999.9 and found.percent_to_sigma(1) == 0.0
    sigma = torch.tensor([3.0])
    assert torch.equal(found.timestep(sigma), levels.timestep(sigma))


def test_clones_share_nothing_that_one_of_them_changes(host: Host):
    first = host.patcher()
    first.set_model_attn1_patch(len)
    second = first.clone()
    second.set_model_attn1_patch(max)
    second.add_object_patch("latent_format", 1)
    second.set_model_sampler_post_cfg_function(min)
    patches = first.model_options["transformer_options"]["patches"]
    assert patches["attn1_patch"] == [len] and "sampler_post_cfg_function" not in first.model_options
    assert second.is_clone(first) and second.parent is first and not first.object_patches


def test_changes_are_part_of_the_recipe_by_content_or_by_instance(host: Host):
    def recipe(number: float, patch: Any = None) -> Any:
        model = host.patcher()
        model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * number)
        if patch is not None:
            model.set_model_attn1_patch(patch)
        return inward(model, "MODEL")

    class Callable:
        def __call__(self, *args: Any) -> Any:
            return args[:3]

    one = Callable()
    assert recipe(1.0) == recipe(1.0) and hash(recipe(1.0)) == hash(recipe(1.0))
    assert recipe(1.0) != recipe(2.0)
    assert recipe(1.0, one) == recipe(1.0, one) and recipe(1.0, one) != recipe(1.0, Callable())
    assert inward(host.patcher(), "MODEL") == host.recipe


def test_a_model_comes_back_across_the_border_as_the_pack_left_it(host: Host):
    class Derived(importlib.import_module("comfy.model_patcher").ModelPatcher):
        mine = "theirs"

    made = Derived(host.recipe)
    made.note = 3
    made.set_attachments("key", [1])
    made.set_model_attn1_patch(len)
    again = host.patcher(inward(made, "MODEL"))
    assert isinstance(again, Derived) and again.note == 3 and again.get_attachment("key") == [1]
    freed = host.run("FreeU", model=again, b1=1.1, b2=1.2, s1=0.9, s2=0.2)
    further = host.patcher(freed)
    assert further.model_options["transformer_options"]["patches"]["attn1_patch"] == [len]
    assert len(further.recipe.rules) == 1  # ours; the pack's are read back out


def test_a_mask_and_further_items_work_with_patches(host: Host):
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1.0
    latent = Latent(torch.ones(2, 4, 8, 8), noise_mask=mask)
    model = host.patcher()
    model.set_model_unet_function_wrapper(
        lambda apply, args: apply(args["input"], args["timestep"], **args["c"])
    )
    assert near(host.sampled(model, latent), host.sampled(host.recipe, latent))
