"""A model that a pack has changed, sampled by a node of ours while no pack's node runs, as in a worker."""

from pathlib import Path
from typing import Any

from nodes.compat.convert import inward
from nodes.compat.current import running
from tests.compat.tiny_models import NEAR, Host


def test_a_changed_model_is_sampled_where_no_pack_s_node_runs(tmp_path: Path):
    host, heard = Host(tmp_path), []

    def wrapper(apply_model: Any, args: Any) -> Any:
        heard.append(args["c"]["transformer_options"]["sample_sigmas"])
        return apply_model(args["input"], args["timestep"], **args["c"]) * 0.9

    with host.running():
        model = host.patcher()
        model.set_model_unet_function_wrapper(wrapper)
        recipe = inward(model, "MODEL")
        there = host.sampled(recipe)
    assert running() is None and len(heard) == 2
    elsewhere = host.sampled(recipe)
    assert len(heard) == 4 and len(heard[0]) == 3
    assert float((there - elsewhere).abs().max()) < NEAR
