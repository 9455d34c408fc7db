"""EXECUTOR.md section 14: what packs rely on. A pack that uses all of it, in a real server; object_info field by field."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.server.spec.asking import ask
from tests.server.spec.playing import node
from tests.serving import Server, serving

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose workspace holds the pack, one that fails at import, and one that comes later."""
    workspace = tmp_path_factory.mktemp("contract")
    for name in ("contract/contract", "contract/contract_later", "packs/raises"):
        shutil.copytree(DATA / name, workspace / "custom_nodes" / Path(name).name)
    with serving(workspace, "--factory", "tests.server.small_nodes:build_with_packs") as running:
        running.get("/object_info")
        yield running


@pytest.fixture(scope="module")
def described(packed: Server) -> Mapping[str, Any]:
    return packed.get("/object_info")


FIELDS: Sequence[tuple[str, Any]] = [
    ("input_order", {
        "required": ["number", "seed", "share", "text", "on", "choice", "combo", "far", "picture"],
        "optional": ["wired", "later", "raw"],
        "hidden": ["me", "all"],
    }),
    ("is_input_list", True),
    ("output", ["INT", "STRING", ["x", "y"]]),
    ("output_is_list", [False, True, False]),
    ("output_name", ["count", "line", "COMBO"]),
    ("output_tooltips", ["how many", "one each", "which"]),
    ("name", "ContractEverything"),
    ("display_name", "All at once"),
    ("description", "Says what it is."),
    ("python_module", "custom_nodes.contract"),
    ("category", "contract/all"),
    ("output_node", True),
    ("deprecated", True),
    ("experimental", True),
    ("api_node", True),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), FIELDS, ids=[f"14-object-info-{row[0]}" for row in FIELDS])
def test_object_info(described: Mapping[str, Any], field: str, value: Any):
    assert described["ContractEverything"][field] == value


INPUTS: Sequence[tuple[str, str, list[Any]]] = [
    ("required", "number",
     ["INT", {"default": 3, "min": 1, "max": 9, "step": 2, "display": "slider", "tooltip": "how many"}]),
    ("required", "seed", ["INT", {"default": 0, "control_after_generate": True}]),
    ("required", "share", ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01, "round": 0.001}]),
    ("required", "text",
     ["STRING", {"default": "", "multiline": True, "dynamicPrompts": True, "placeholder": "say"}]),
    ("required", "on", ["BOOLEAN", {"default": True, "label_on": "yes", "label_off": "no"}]),
    ("required", "choice", [["a", "b"], {"default": "b"}]),
    ("required", "combo", ["COMBO", {"options": ["c", "d"], "multiselect": True}]),
    ("required", "far", ["COMBO", {"options": [], "remote": {"route": "/x", "refresh": 0}}]),
    ("required", "picture", [["cat.png"], {"image_upload": True}]),
    ("optional", "wired", ["INT", {"forceInput": True, "defaultInput": True}]),
    ("optional", "later", ["IMAGE", {"lazy": True}]),
    ("optional", "raw", ["IMAGE", {"rawLink": True}]),
]  # fmt: skip


@pytest.mark.parametrize(("section", "name", "spec"), INPUTS, ids=[f"14-input-{row[1]}" for row in INPUTS])
def test_input_options(described: Mapping[str, Any], section: str, name: str, spec: list[Any]):
    assert described["ContractEverything"]["input"][section][name] == spec


def test_14_hidden_inputs_and_defaults_of_a_class_that_says_little(described: Mapping[str, Any]):
    assert described["ContractEverything"]["input"]["hidden"].keys() == {"me", "all"}
    plain = described["ContractPlain"]
    assert (plain["category"], plain["display_name"], plain["output_name"]) == (
        "sd",
        "ContractPlain",
        ["INT"],
    )
    assert (plain["output_node"], plain["is_input_list"], plain["input"]) == (False, False, {"required": {}})
    assert not {"deprecated", "experimental", "api_node", "output_tooltips"} & {
        k for k, v in plain.items() if v
    }


def test_14_one_broken_class_is_skipped_and_the_others_are_there(described: Mapping[str, Any]):
    assert "ContractBroken" not in described and "ContractFails" in described


def test_14_a_pack_cannot_override_a_built_in_and_between_packs_the_last_wins(described: Mapping[str, Any]):
    assert described["Show"]["python_module"] == "nodes" and described["Show"]["category"] == "test"
    assert described["ContractTwice"]["category"] == "second"


def test_14_web_directory_is_served(packed: Server):
    assert "/extensions/contract/contract.js" in packed.get("/extensions")


def test_14_an_import_error_disables_that_pack_only_and_improved_is_told(packed: Server):
    packs = {pack["name"]: pack for pack in packed.get("/api/weft/packs")}
    assert packs["contract"]["ok"] and not packs["raises"]["ok"]
    assert packs["raises"]["error"]["message"] and packs["raises"]["error"]["traceback"]


def played(server: Server, **nodes: Any) -> Mapping[str, Any]:
    return server.run(nodes)


GIVEN: Sequence[tuple[str, str, list[str] | None, list[str] | None]] = [
    ("14-a-tuple", "tuple", ["1"], ["2"]),
    ("14-a-list", "list", ["1"], ["2"]),
    ("14-a-dict", "dict", ["1"], ["2"]),
    ("14-a-bare-blocker", "blocker", None, None),
    ("14-a-blocker-on-one-slot", "blocked slot", ["1"], None),
    ("14-a-graph", "graph", ["1"], ["5"]),
]


@pytest.mark.parametrize(
    ("how", "first", "second"), [row[1:] for row in GIVEN], ids=[row[0] for row in GIVEN]
)
def test_what_a_function_may_return(
    packed: Server, how: str, first: list[str] | None, second: list[str] | None
):
    entry = played(
        packed,
        x=node("ContractGives", how=how),
        a=node("ContractShows", value=["x", 0]),
        b=node("ContractShows", value=["x", 1]),
    )
    assert entry["status"]["status_str"] == "success"
    shown = entry["outputs"]
    assert (shown.get("a", {}).get("text"), shown.get("b", {}).get("text")) == (first, second)
    assert ("x" in shown) == (how == "dict")


def test_14_hidden_inputs_of_every_name_arrive(packed: Server):
    names, id = played(packed, h=node("ContractShows", value=1))["outputs"]["h"]["hidden"]
    assert id == "h" and names == [
        "api_key_comfy_org", "auth_token_comfy_org", "comfy_usage_source", "dynprompt", "execution_list",
        "extra_pnginfo", "prompt", "unique_id",
    ]  # fmt: skip


def test_14_an_objects_state_survives_runs_and_is_changed_makes_it_run(packed: Server):
    counts = [played(packed, c=node("ContractCounts", step=1))["outputs"]["c"]["text"][0] for _ in range(3)]
    assert counts == [1, 2, 3]
    assert played(packed, other=node("ContractCounts", step=1))["outputs"]["other"]["text"] == [1], (
        "another node"
    )


def test_14_validate_inputs(packed: Server):
    answer = ask(packed, {"x": node("ContractChecks", low=9, high=5)})
    assert [(error["type"], error["details"]) for error in answer.errors("x")] == [
        ("custom_validation_failed", "low - low is not below high"),
        ("custom_validation_failed", "high - low is not below high"),
    ]
    assert ask(packed, {"x": node("ContractChecks", low=9, high=50)}).status == 200, (
        "bounds are its own to check"
    )


def test_14_check_lazy_status(packed: Server):
    entry = played(
        packed,
        bad=node("ContractFails"),
        good=node("ContractPlain"),
        x=node("ContractChooses", first=True, a=["good", 0], b=["bad", 0]),
        out=node("ContractShows", value=["x", 0]),
    )
    assert entry["outputs"]["out"]["text"] == ["1"] and entry["status"]["status_str"] == "success"


def test_14_an_exception_names_class_message_and_the_packs_own_lines(packed: Server):
    entry = played(packed, x=node("ContractFails"), out=node("ContractShows", value=["x", 0]))
    (error,) = [data for event, data in entry["status"]["messages"] if event == "execution_error"]
    assert (error["node_id"], error["node_type"], error["exception_type"]) == (
        "x",
        "ContractFails",
        "ValueError",
    )
    assert error["exception_message"].startswith("it does not fit\n")
    assert "contract/__init__.py" in "".join(error["traceback"]).replace("\\", "/")
