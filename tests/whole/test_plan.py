"""The memory plan over HTTP: what each node of a prompt will need, before anything runs."""

from urllib.error import HTTPError

import pytest

from tests.serving import Server
from tests.whole.test_pictures import txt2img

PLAN = "/api/weft/plan"


def test_each_node_that_computes_is_planned_and_a_larger_picture_takes_more(server: Server):
    small = server.post(PLAN, {"prompt": txt2img()})
    large = server.post(PLAN, {"prompt": txt2img(n4_width=512, n4_height=512)})
    assert small["nodes"].keys() == {"2", "3", "5", "6"} and small["faults"] == {}
    for plan in (small, large):
        needs = plan["nodes"].values()
        assert plan["verdict"] == "fits" and all(need["fits"] for need in needs)
        assert plan["peak"] == max(need["peak"] for need in needs)
        assert all(need["peak"] >= max(need["weights"], need["computing"]) > 0 for need in needs)
    assert large["nodes"]["5"]["weights"] == small["nodes"]["5"]["weights"]
    for node, times in (("5", 8), ("6", 12)):  # 16 times the pixels
        assert large["nodes"][node]["computing"] > times * small["nodes"][node]["computing"]
    assert server.get("/prompt")["exec_info"]["queue_remaining"] == 0, "nothing was queued"


def test_what_cannot_be_planned_is_told_by_node_and_a_prompt_that_is_none_is_refused(server: Server):
    plan = server.post(PLAN, {"prompt": txt2img(n1_ckpt_name="nowhere.safetensors")})
    assert plan["nodes"] == {} and "nowhere.safetensors" in plan["faults"]["5"]
    with pytest.raises(HTTPError) as refused:
        server.post(PLAN, {"prompt": {"1": {"inputs": {}}}})
    with refused.value as answer:
        assert answer.code == 400
