"""Small packs of our own in one server: each shows one thing that packs rely on, and says so on its first line."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.serving import Server, serving

SMALL = Path(__file__).with_name("small")
Graph = Mapping[str, tuple[str, Mapping[str, Any]]]  # nodes by number: their type and inputs

# Packs with a node of their name: what it is given, and what it says.
ALONE: Sequence[tuple[str, Mapping[str, Any], list[Any]]] = [
    ("annotated_names", {}, ["a.png", None, "x.png", False, False, "refused", True, None]),
    ("attention", {}, [True, [2, 5, 8]]),
    ("attributes_by_path", {}, ["first", "second", [3, 2]]),
    ("awaits", {}, ["a", "b"]),
    ("batches_of_a_size", {}, [[0, 1, 2, 0, 1], [0, 1], [0, 0, 1, 2, 2]]),
    ("both_forms", {}, ["mappings"]),
    ("conditioning_changed", {}, [3.5, False, [1, 2], 0.0, 0.25, 2, [4, 8, 2, 1], 0.5]),
    ("counts_saved_files", {}, [True, "s_8", 1, "deep", "deep/s_8", 10, "refused"]),
    ("custom_nodes_is_a_package", {}, ["custom_nodes", "run"]),
    (
        "devices",
        {},
        [
            *[["cpu"], True, "torch.float32", "torch.float32", False, False, False, False, "cpu", 36, True],
            *[False, "NORMAL_VRAM"],
        ],
    ),
    ("folder_with_relative_imports", {"text": "loud"}, ["LOUD!"]),
    (
        "folders_and_files",
        {"name": "a.bin"},
        [
            *["a.bin", ["a.bin", "b.safetensors", "c.txt"], ["c.txt"], True, "a.bin", None, None],
            *["raised", "raised", True],
        ],
    ),
    ("function_inherited", {"value": 2}, [6]),
    ("imports_the_host_widely", {}, [True, False, True]),
    ("inference_mode", {}, [True, 3.0]),
    ("input_types_with_odd_entries", {"a": 1, "b": 2.5, "c": "y", "e": 3}, [1, 2.5, "y", "none", 3]),
    ("inputs_accepted_by_any_name", {"one": 1, "two": "b"}, ["one=1", "two=b"]),
    ("inputs_by_default_type", {"a": 1, "b": 2, "c": 3}, [6]),
    ("install_script_is_left_alone", {}, [False]),
    ("layers_of_ops", {}, [[[2, 6], [2, 6]], [[2.0, 2.0]]]),
    ("latents_of_built_ins", {}, [[4, 4, 4, 8], 8, [2, 3], [3, 4, 5, 6], [1, 1, 64, 32], [4, 4, 6, 12]]),
    ("loop_runs_at_import", {}, [True]),
    ("loop_runs_at_run", {}, [True]),
    ("many_sizes_in_one", {}, [True, 2, [1, 1, 22], [[1, 4, 2, 2], [1, 2, 3]]]),
    ("mappings_added_by_hand", {}, [7, 2.5]),
    ("name_in_sys_modules", {}, [True, True]),
    ("noise", {}, [True, True, True]),
    ("odd_output", {}, ["printed"]),
    ("one_broken_class", {}, ["whole"]),
    ("only_optional", {"value": 6}, [6]),
    ("options_of_the_start", {}, [True, False, True, False, "NoPreviews", []]),
    ("picks_files_by_kind", {}, [["a.png", "b.webp"], ["c.mp4", "d.mp3"], ["e.fbx"]]),
    ("pictures_of_built_ins", {}, [[1, 4, 4, 3], [2, 8, 8, 3], 5.0, True, [1, 8, 8, 4], 12.0]),
    ("plain_imports_beside", {}, ["beside"]),
    ("prestartup_before_torch", {}, ["before torch"]),
    ("previews", {}, [4, 1.0, 4]),
    ("progress", {}, [4, 4, True]),
    ("root_beside_folder_paths", {}, [True, True, True]),
    ("same_id", {}, ["b"]),
    ("saves_pictures", {}, [2, "temp", True, True]),
    ("scales_as_built_in", {}, [10, True]),
    ("schedules", {"sampler": "euler", "scheduler": "small_schedule"}, ["euler", True, True, [5], True, 0.0]),
    ("sees_each_prompt", {"word": "sent"}, ["sent, seen"]),
    ("send_sync_wrapped", {}, [True]),
    ("server_face", {}, [True, "kept", True, True, 1, 1, True, True, "aiohttp.web", 1, 1]),
    ("side_effect_stays", {}, ["stays"]),
    ("single_file", {"value": 3.0}, [1.5]),
    ("starts_a_thread", {"value": 21}, [42]),
    ("static_function", {"value": 2}, [3]),
    ("static_function.of_class", {"value": 2}, ["OfClass", 2]),
    ("tells_the_page", {"word": "hi"}, [None]),
    ("tries_other_homes", {}, ["no module", "no extras", "no name"]),
    ("ui_with_numpy", {}, [0.5, 3, 2]),
    ("v3_async_entry", {"value": 4}, [8, "loaded"]),
    ("v3_sync_entry", {}, ["awaited"]),
    ("v3_by_mappings", {"text": "words"}, ["words"]),
    ("v3_as_first_form", {"value": 1}, [["INT"], ["number"], True, "small", "EXECUTE_NORMALIZED", "INT"]),
    ("v3_broken_schema", {}, ["whole"]),
    (
        "v3_combo_with_inputs",
        {"mode": "size", "mode.width": 3, "mode.height": 4},
        [[["height", 4], ["mode", "size"], ["width", 3]]],
    ),
    ("v3_films", {}, [[32, 16], 2.0, [6, 16, 32, 3], "3"]),
    ("v3_grows", {"values.value0": 1, "values.value1": 5}, [["value0", "value1"], 6]),
    ("v3_names_grow", {"values.a": 1, "values.c": 5}, [["a", "c"]]),
    ("v3_hidden", {}, ["out", ["out"], None]),
    ("v3_takes_all", {"a": 1, "z": 3, "y": "w"}, [1, [["y", "w"], ["z", 3]]]),
    ("validates_values", {"mode": "q", "count": 2}, ["q", 2]),
    ("web_directory_missing", {}, ["fine"]),
    ("weights_in_files", {}, [["a.x", "b"], "me", 5, "torch.float32", ["c.x"], ["w"]]),
    ("works_in_tiles", {}, [[1, 3, 80, 112], True, True, 3]),
    ("wrappers_in_turn", {}, ["a(b(<x>))", "outer_sample", "diffusion_model", "on_clone"]),
]

PICTURE: Graph = {
    "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-starter-v0"}),
    "2": ("CLIPTextEncode", {"clip": ["1", 1], "text": "a red apple"}),
    "3": ("CLIPTextEncode", {"clip": ["1", 1], "text": ""}),
    "4": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
    "5": (
        "KSampler",
        {
            "model": ["1", 0],
            "positive": ["2", 0],
            "negative": ["3", 0],
            "latent_image": ["4", 0],
            "seed": 5,
            "steps": 2,
            "cfg": 4.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    ),
    "6": ("VAEDecode", {"samples": ["5", 0], "vae": ["1", 2]}),
}
# Packs that show it among several nodes: the nodes, and what the one called "out" says.
TOGETHER: Sequence[tuple[str, Graph, list[Any]]] = [
    ("blocks", {"1": ("blocks.gives", {}), "out": ("blocks", {"value": ["1", 1]})}, [4]),
    (
        "decides_lazily",
        {
            "1": ("decides_lazily.makes", {"name": "one"}),
            "2": ("decides_lazily.makes", {"name": "two"}),
            "out": ("decides_lazily", {"first": True, "a": ["1", 0], "b": ["2", 0]}),
        },
        ["one", None, "one"],
    ),
    ("expands", {"1": ("expands.sums", {"count": 4}), "out": ("expands", {"value": ["1", 0]})}, [10]),
    ("node_typing", {"out": ("node_typing", {"value": 4, "any": 3})}, [4, 3, True, True]),
    (
        "outputs_as_lists",
        {
            "1": ("outputs_as_lists.gives", {"count": 3}),
            "out": ("outputs_as_lists", {"value": ["1", 0], "by": ["1", 1]}),
        },
        [0, 3, 6],
    ),
    (
        "raw_link",
        {"7": ("outputs_as_lists.gives", {"count": 3}), "out": ("raw_link", {"value": ["7", 1]})},
        ["7", 1],
    ),
    (
        "results_in_every_form",
        {
            "1": ("results_in_every_form.list", {}),
            "2": ("results_in_every_form.dict", {}),
            "3": ("results_in_every_form.nothing", {}),
            "out": ("results_in_every_form", {"a": ["1", 0], "b": ["2", 0]}),
        },
        [1, 2],
    ),
    (
        "samples_from_python",
        {**PICTURE, "out": ("samples_from_python", {"image": ["6", 0]})},
        [True, True, [1, 4, 8, 8], True],
    ),
    (
        "takes_lists",
        {"1": ("outputs_as_lists.gives", {"count": 4}), "out": ("takes_lists", {"value": ["1", 0], "by": 2})},
        [12],
    ),
    (
        "type_equal_to_all",
        {"1": ("type_equal_to_all.gives", {}), "out": ("type_equal_to_all", {"a": ["1", 0], "b": ["1", 0]})},
        [5, 5],
    ),
    ("v3_expands", {"1": ("v3_expands.gives", {}), "out": ("v3_expands", {"value": ["1", 1]})}, [5]),
    (
        "v3_lazy",
        {
            "1": ("v3_expands.five", {}),
            "2": ("v3_expands.blocks", {}),
            "out": ("v3_lazy", {"first": True, "a": ["1", 0], "b": ["2", 0]}),
        },
        [5, None],
    ),
    ("v3_lists", {"1": ("v3_lists.gives", {}), "out": ("v3_lists", {"values": ["1", 0]})}, [1, 2, 3]),
    (
        "validates_types",
        {"1": ("validates_types.gives", {}), "out": ("validates_types", {"value": ["1", 0]})},
        [9],
    ),
    (
        "values_of_their_own",
        {
            "1": ("values_of_their_own.gives", {}),
            "out": (
                "values_of_their_own",
                {"thing": ["1", 0], "function": ["1", 1], "array": ["1", 2]},
            ),
        },
        [True, 4, 6],
    ),
]

# Packs that one of the tests below is about.
ASIDE = {
    *("changed_each_time", "described_in_full", "fails_at_import", "fails_in_a_node", "fails_in_its_code"),
    *("hidden_by_value", "id_of_a_built_in", "is_no_pack", "refuses_by_name", "route_named_as_ours"),
    *("routes_of_its_own", "routes_on_the_app", "same_id_a", "same_id_b"),
    *("sets_walked_alike", "stops_itself", "switched_off.disabled", "unchanged_runs_once", "v3_checks"),
    *("v3_shows", "v3_types", "web_directory", "version_in_pyproject", "web_directory_by_pyproject"),
    "web_directory_from_python",
}
FAIL = {"fails_at_import", "fails_in_its_code", "is_no_pack"}  # at load


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """All of them, copied: no byte code is left in the checkout."""
    workspace = tmp_path_factory.mktemp("small")
    shutil.copytree(SMALL, workspace / "custom_nodes", ignore=shutil.ignore_patterns("__pycache__"))
    with serving(workspace, "--cpu") as running:
        yield running


@pytest.fixture(scope="module")
def described(server: Server) -> Mapping[str, Any]:
    return server.get("/object_info")


@pytest.fixture(scope="module")
def reports(server: Server, described: Mapping[str, Any]) -> Mapping[str, Any]:
    """How each pack fared, by name; with the nodes described they are all loaded."""
    assert described
    return {report["name"]: report for report in server.get("/api/weft/packs")}


def run(server: Server, graph: Graph, **more: Any) -> Mapping[str, Any]:
    """The history's entry of a run."""
    prompt = {id: {"class_type": type, "inputs": dict(inputs)} for id, (type, inputs) in graph.items()}
    return server.ended(server.post("/prompt", {"prompt": prompt, **more})["prompt_id"], 60)


def said(server: Server, graph: Graph, **more: Any) -> list[Any]:
    """What the node "out" says."""
    entry = run(server, graph, **more)
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
    return entry["outputs"]["out"]["said"]


def alone(server: Server, node: str, **inputs: Any) -> list[Any]:
    return said(server, {"out": (node, inputs)})


def refused(server: Server, graph: Graph) -> str:
    """What is said of a prompt that is not taken in."""
    with pytest.raises(HTTPError) as caught:
        run(server, graph)
    assert caught.value.code == 400
    return caught.value.read().decode()


def fetched(server: Server, path: str) -> str:
    with urlopen(server.url + path, timeout=30) as answer:
        return answer.read().decode()


def first_line(pack: Path) -> str | None:
    source = pack / "__init__.py" if pack.is_dir() else pack
    return ast.get_docstring(ast.parse(source.read_text()))


def test_there_is_a_case_for_every_pack():
    packs = {path.name.removesuffix(".py") for path in SMALL.iterdir() if path.name != "__pycache__"}
    shown = {name.split(".")[0] for name, *_ in (*ALONE, *TOGETHER)} - {"same_id"}
    assert packs == shown | ASIDE and not shown & ASIDE
    assert len(packs) >= 60
    assert [
        path.name for path in SMALL.iterdir() if path.name != "__pycache__" and not first_line(path)
    ] == []


@pytest.mark.parametrize(("node", "inputs", "wanted"), ALONE, ids=[row[0] for row in ALONE])
def test_a_node_says_what_it_should(server: Server, node: str, inputs: Mapping[str, Any], wanted: list[Any]):
    assert said(server, {"out": (node, inputs)}) == wanted


@pytest.mark.parametrize(("name", "graph", "wanted"), TOGETHER, ids=[row[0] for row in TOGETHER])
def test_nodes_together_say_what_they_should(server: Server, name: str, graph: Graph, wanted: list[Any]):
    assert said(server, graph) == wanted, name


# --- loading --------------------------------------------------------------------------------------------------------


def test_what_cannot_be_loaded_is_told_and_stops_nothing_else(reports: Mapping[str, Any]):
    assert {name for name, report in reports.items() if not report["ok"]} == FAIL
    assert "pip install a_module_that_nobody_has" in str(reports["fails_at_import"]["error"])
    assert "no such luck" in str(reports["fails_in_its_code"]["error"])
    assert "in inner" in str(reports["fails_in_its_code"]["error"])
    assert "neither NODE_CLASS_MAPPINGS nor comfy_entrypoint" in str(reports["is_no_pack"]["error"])
    assert "switched_off" not in str(sorted(reports))


def test_a_broken_class_is_left_out_by_name(reports: Mapping[str, Any], described: Mapping[str, Any]):
    assert "one_broken_class.broken" in str(reports["one_broken_class"]["error"])
    assert "v3_broken_schema.twice" in str(reports["v3_broken_schema"]["error"])
    assert not {"one_broken_class.broken", "v3_broken_schema.twice"} & set(described)


def test_a_built_in_node_stays_what_it_is(reports: Mapping[str, Any], described: Mapping[str, Any]):
    assert described["EmptyImage"]["output"] == ["IMAGE"]
    assert "EmptyImage" in str(reports["id_of_a_built_in"]["error"])


def test_the_later_of_two_packs_with_one_id_counts(reports: Mapping[str, Any], described: Mapping[str, Any]):
    assert reports["same_id_a"]["ok"] and reports["same_id_b"]["ok"]
    assert described["same_id"]["python_module"] == "custom_nodes.same_id_b"


def test_a_version_is_read_from_pyproject(reports: Mapping[str, Any]):
    assert reports["version_in_pyproject"]["version"] == "1.2.3"


def test_sets_are_walked_in_the_same_order_at_each_start(server: Server):
    told = subprocess.run(
        [sys.executable, "-c", "print(hash('a word'))"],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert alone(server, "sets_walked_alike") == [told.stdout.strip()]


# --- describing -----------------------------------------------------------------------------------------------------


def test_what_a_class_says_of_itself_is_told(described: Mapping[str, Any]):
    node = described["described_in_full"]
    assert (node["display_name"], node["category"], node["description"]) == (
        "All at once",
        "small/deep",
        "Says what it is.",
    )
    assert (node["output"], node["output_name"], node["output_tooltips"]) == (
        ["INT", "OWN"],
        ["how many", "own"],
        ["counted", "its own"],
    )
    assert node["deprecated"] is True and node["experimental"] is True
    required = node["input"]["required"]
    assert required["text"][1] == {"multiline": True, "dynamicPrompts": True, "placeholder": "here"}
    assert required["mode"] == [["x", "y"], {"default": "y", "tooltip": "which"}]
    assert required["file"][1]["remote"]["route"] == "/small/files"
    assert node["input"]["optional"]["wire"] == ["INT", {"forceInput": True}]


def test_types_of_a_newer_node_are_told(described: Mapping[str, Any]):
    node = described["v3_types"]
    optional, required = node["input"]["optional"], node["input"]["required"]
    assert optional["own"][0] == "SMALL_OWN" and optional["made"][0] == "SMALL_MADE"
    assert optional["same"][1]["template"] == {"template_id": "T", "allowed_types": "IMAGE,MASK"}
    assert required["number"] == ["INT,FLOAT", {"default": 1, "widgetType": "INT"}]
    assert optional["any"][0] == "*" and required["many"][1]["multiselect"] is True
    assert node["output_matchtypes"] == [None, "T"] and node["search_aliases"] == ["kinds"]


# --- running --------------------------------------------------------------------------------------------------------


def test_hidden_inputs_are_filled_by_their_values(server: Server):
    more = {"extra_data": {"extra_pnginfo": {"workflow": {"id": "w"}}}}
    name = "hidden_by_value"
    assert said(server, {"out": (name, {})}, **more) == ["out", name, "w", name]


def test_a_node_runs_again_only_where_it_says_that_it_changed(server: Server):
    assert [alone(server, "changed_each_time") for _ in range(2)] == [[1], [2]]
    assert [alone(server, "unchanged_runs_once", value=1) for _ in range(2)] == [[1], [1]]
    assert alone(server, "v3_checks", value=1) == alone(server, "v3_checks", value=1) == [1]
    assert [alone(server, "v3_checks", value=2) for _ in range(2)] == [[1], [2]]


def test_a_pack_judges_values_and_types_itself(server: Server):
    assert "not z, please" in refused(server, {"out": ("validates_values", {"mode": "z", "count": 1})})
    # A check that takes **kwargs takes over every check of ours.
    assert alone(server, "validates_values", mode="a", count=4) == ["a", 4]
    assert "not thirteen" in refused(server, {"out": ("v3_checks", {"value": 13})})
    wrong: Graph = {
        "1": ("validates_types.gives", {}),
        "out": ("validates_types", {"value": ["1", 1]}),
    }
    assert "no STRING, please" in refused(server, wrong)


def test_what_hangs_on_a_blocked_output_does_not_run(server: Server):
    entry = run(server, {"1": ("blocks.gives", {}), "out": ("blocks", {"value": ["1", 0]})})
    assert entry["status"]["status_str"] == "success" and "out" not in entry["outputs"]


def failure(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(data for kind, data in entry["status"]["messages"] if kind == "execution_error")


def test_an_exception_is_told_with_its_kind(server: Server):
    told = failure(run(server, {"out": ("fails_in_a_node", {})}))
    assert told["exception_type"] == "ValueError" and "the jar is empty" in told["exception_message"]
    assert told["node_type"] == "fails_in_a_node" and "in run" in "".join(told["traceback"])


def test_what_is_not_offered_refuses_and_names_itself(server: Server):
    message = failure(run(server, {"out": ("refuses_by_name", {})}))["exception_message"]
    assert "T5" in message and "refuses_by_name" in message


def test_a_pack_can_stop_the_run(server: Server):
    kinds = [kind for kind, _ in run(server, {"out": ("stops_itself", {})})["status"]["messages"]]
    assert kinds[-1] == "execution_interrupted"


def test_newer_nodes_show_texts_and_pictures(server: Server):
    outputs = run(server, {"1": ("v3_shows.text", {}), "2": ("v3_shows.picture", {})})["outputs"]
    assert outputs["1"]["text"] == ["read this"]
    (picture,) = outputs["2"]["images"]
    assert picture["type"] == "temp" and picture["filename"].endswith(".png")


# --- routes and scripts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("front", ["", "/api"])
def test_routes_answer_under_our_address(server: Server, front: str):
    assert server.get(f"{front}/small/hello/you?q=2") == {"hello": "you", "query": "2"}
    sent = Request(
        f"{server.url}{front}/small/echo", b"\x00\xff", {"Content-Type": "application/octet-stream"}
    )
    with urlopen(sent, timeout=30) as answer:
        assert (answer.status, answer.headers["X-Small"], answer.read()) == (201, "yes", b"\x00\xff")


@pytest.mark.parametrize("path", ["/small/on_app", "/small/on_router"])
def test_routes_on_the_app_answer(server: Server, path: str):
    assert fetched(server, path) == "on the app"


def test_a_packs_static_folder_is_served(server: Server):
    assert "from a small pack" in fetched(server, "/small/static/small.js")


def test_our_own_routes_stay_ours(server: Server, reports: Mapping[str, Any]):
    assert reports["route_named_as_ours"]["ok"]
    assert server.post("/prompt", {"prompt": {"1": {"class_type": "only_optional", "inputs": {}}}})[
        "prompt_id"
    ] != "taken"  # fmt: skip


@pytest.mark.parametrize(
    ("pack", "file", "word"),
    [
        ("web_directory", "small.js", "from a small pack"),
        ("web_directory_by_pyproject", "named.js", "named in pyproject.toml"),
        ("By-Hand", "hand.js", "by hand"),
    ],
)
def test_scripts_are_served_and_listed(server: Server, pack: str, file: str, word: str):
    assert word in fetched(server, f"/extensions/{pack}/{file}")
    assert f"/extensions/{pack}/{file}" in server.get("/extensions")
    assert not [
        address for address in server.get("/extensions") if address.startswith("/extensions/elsewhere")
    ]
