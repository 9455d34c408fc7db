"""Packs in the first form of the protocol load, run, and say what is wrong with them. None stops another."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nodes.compat.convert import inward, outward
from nodes.compat.describe import describe
from nodes.compat.early import prestart
from nodes.compat.importing import module_name
from nodes.compat.packs import Loaded, Packs
from nodes.compat.places import Places
from nodes.diffusion.values import Area, CheckpointRef, Cond, ControlNet, ControlUse, Latent, Span
from nodes.spec import Choices, Registry, Section
from server.graph.host import Call, Progressed
from server.graph.outcome import Blocked, Done, Expanded, Failure, Interrupted, Missing, Needs
from server.worker.parts import Factory, PackReport, Services, WorkerParts
from server.worker.stopping import StopSwitch
from server.worker.worker import Worker
from server.workspace import Workspace
from tests.server.backends.asking import job, task

PACKS = Path(__file__).parents[1] / "data" / "packs"
EXAMPLE = Path(__file__).parents[2] / "custom_nodes" / "weft_example_pack"


def places(workspace: Workspace, packs: Path) -> Places:
    return Places(
        root=workspace.root,
        models=workspace.models,
        input=workspace.root / "input",
        output=workspace.root / "output",
        temp=workspace.root / "temp",
        user=workspace.root / "user",
        folders={key: (folders, frozenset({".safetensors"})) for key, folders in workspace.folders().items()},
        packs=(packs,),
    )


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """A copy, so that no byte code is left in the checkout."""
    folder = tmp_path / "packs"
    shutil.copytree(PACKS, folder, ignore=shutil.ignore_patterns("__pycache__", "README.md"))
    shutil.copytree(EXAMPLE, folder / EXAMPLE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "gone.disabled").mkdir()
    (folder / "no_pack").mkdir()
    (folder / "__pycache__").mkdir()
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture
def loaded(workspace: Workspace, packs: Path) -> dict[str, Loaded]:
    prestart(places(workspace, packs), lambda _: None, {}, patience=1.5)
    found = Packs(Registry(), places(workspace, packs), lambda _: None, {}, patience=1.5).load()
    return {report.name: report for report in found}


def furnish(settings: tuple[Workspace, Path], services: Services) -> WorkerParts:
    workspace, folder = settings
    registry = Registry()
    shelf = Packs(registry, places(workspace, folder), services.announce, services.skip)

    def load() -> list[PackReport]:
        return [
            PackReport(one.name, str(one.path), one.ok, one.seconds, one.nodes, Failure(one.message))
            for one in shelf.load()
        ]

    return WorkerParts(
        registry=registry,
        files=workspace,
        load_packs=load,
        refresh=shelf.refresh,
        around=torch.inference_mode,
    )


@pytest.fixture
def worker(workspace: Workspace, packs: Path) -> Iterator[Worker]:
    for name in ("hangs", "needs_more", "quits", "raises"):
        shutil.rmtree(packs / name)
    (workspace.models / "loras" / "one.safetensors").write_bytes(b"")
    factory = Factory(f"{__name__}:furnish", (workspace, packs))
    made = Worker(_Here(factory.settings), StopSwitch(), lambda _: None, {})
    made.begin(job())
    yield made
    made.close()


class _Here(Factory):
    """A factory in this module, however pytest imported it."""

    def __init__(self, settings: object) -> None:
        super().__init__("", settings)

    def build(self, services: Services) -> WorkerParts:
        return furnish(self.settings, services)


def run(worker: Worker, type: str, said=None, **inputs):
    return worker.submit(task(type, **inputs), (said if said is not None else []).append).result(20)


def values(worker: Worker, outcome, slot: int = 0) -> list:
    assert isinstance(outcome, Done), outcome
    return worker._outputs.get(outcome.outputs[slot])


# --- loading --------------------------------------------------------------------------------------------------------


def test_every_pack_is_found_and_none_stops_another(loaded: dict[str, Loaded]):
    good = {name for name, report in loaded.items() if report.ok}
    assert good == {"habits", "probe_pack", "single_file", "weft_example_pack"}
    assert set(loaded) - good == {"hangs", "needs_more", "quits", "raises"}
    assert loaded["single_file"].nodes == ("Double",)
    assert os.environ.pop("WEFT_TEST_PRESTARTED") == "habits"
    assert Path(loaded["habits"].web_directory).name == "web"


def test_a_failed_pack_says_what_to_do(loaded: dict[str, Loaded]):
    assert "pip install a_module_that_nobody_has" in loaded["needs_more"].hint
    assert "requirements.txt" in loaded["needs_more"].hint
    assert "inner.py" in "".join(loaded["raises"].traceback)
    assert loaded["raises"].kind == "KeyError"
    assert "1.5 seconds" in loaded["hangs"].message and "sleep" in "".join(loaded["hangs"].traceback)
    assert loaded["quits"].kind == "SystemExit"


def test_one_broken_class_keeps_no_other_out(loaded: dict[str, Loaded]):
    assert "Broken: the description is broken" in loaded["habits"].message
    assert "Counter" in loaded["habits"].nodes and "Broken" not in loaded["habits"].nodes


def test_a_pack_that_ended_a_worker_is_not_loaded_again(workspace: Workspace, packs: Path):
    told: list[str] = []
    shelf = Packs(
        Registry(), places(workspace, packs), told.append, {"habits": "SIGSEGV", "hangs": "SIGKILL"}
    )
    reports = {report.name: report for report in shelf.load()}
    assert "SIGSEGV" in reports["habits"].message and "habits" not in told


# --- describing -----------------------------------------------------------------------------------------------------


def test_a_class_is_described_in_our_terms(worker: Worker, workspace: Workspace):
    specs = worker.specs()
    counter = specs["Counter"]
    assert (counter.display_name, counter.module) == ("Count up", "custom_nodes.habits")
    assert not counter.idempotent and counter.section(Section.HIDDEN)[0].type == "UNIQUE_ID"
    assert specs["LazySwitch"].decides_lazily and specs["LazySwitch"].outputs[0].type == "*"
    assert [entry.lazy for entry in specs["LazySwitch"].inputs] == [False, True, True]
    assert specs["Blocks"].takes_anything and not specs["Counter"].takes_anything
    steps = specs["Steps"]
    assert steps.inputs[0].choices == Choices(("a", "b"), bare=False)
    assert steps.validates == ("mode",) and steps.has_change_token
    assert steps.outputs[0].name == "steps"
    assert specs["Waits"].is_async and specs["Lists"].takes_lists and specs["Lists"].outputs[0].is_list
    assert specs["Files"].inputs[0].choices == Choices(("one.safetensors",))
    (workspace.models / "loras" / "two.safetensors").write_bytes(b"")
    refreshed = worker.specs(refresh=True)["Files"].inputs[0].choices
    assert refreshed is not None and refreshed.values == ("one.safetensors", "two.safetensors")


def test_what_newer_classes_say_of_themselves_is_told_on():
    class Newer:
        RETURN_TYPES = ()
        FUNCTION = "run"
        ESSENTIALS_CATEGORY = "Image tools"
        HAS_INTERMEDIATE_OUTPUT = True
        SEARCH_ALIASES = ("newest",)

        @classmethod
        def INPUT_TYPES(cls):  # noqa: N802 - the protocol's name
            return {"required": {}}

        def run(self):
            return ()

    spec = describe("Newer", Newer, "", "custom_nodes.x")
    assert spec.extra == {"has_intermediate_output": True, "essentials_category": "Image tools"}
    assert spec.search_aliases == ("newest",)


def test_nodes_that_are_as_they_were_are_not_told_again(worker: Worker, workspace: Workspace):
    first = worker.described(refresh=True, known="")
    assert first.specs
    again = worker.described(refresh=True, known=first.edition)
    assert (again.edition, again.specs) == (first.edition, None)
    (workspace.models / "loras" / "three.safetensors").write_bytes(b"")
    changed = worker.described(refresh=True, known=first.edition)
    assert changed.edition != first.edition and changed.specs is not None


# --- running --------------------------------------------------------------------------------------------------------


def test_objects_keep_their_state_per_node(worker: Worker):
    assert values(worker, run(worker, "Counter", id="1")) == [1]
    second = run(worker, "Counter", id="1")
    assert (values(worker, second), values(worker, second, 1)) == ([2], ["1"])
    assert values(worker, run(worker, "Counter", id="2")) == [1]


def test_lists_lazy_inputs_blockers_and_undeclared_inputs(worker: Worker):
    assert values(worker, run(worker, "Lists", values=4, by=3)) == [7]
    assert run(worker, "LazySwitch", first=True, a=Missing(), b=Missing()) == Needs(("a",))
    assert values(worker, run(worker, "LazySwitch", first=True, a=5, b=Missing())) == [5]
    blocking = run(worker, "Blocks", text="no", extra1=1, extra2=2)
    assert values(worker, blocking, 1) == ["NOextra1,extra2"]
    blocked = run(worker, "Double", value=blocking.outputs[0])
    assert isinstance(blocked, Blocked) and blocked.message == "no"


def test_expansion_names_its_nodes_as_the_field_does(worker: Worker):
    made = run(worker, "Expands", id="12", value=4)
    assert isinstance(made, Expanded)
    assert list(made.nodes) == ["12.0.0.1"] and made.nodes["12.0.0.1"].type == "Double"


def test_checks_change_tokens_progress_files_and_waiting(worker: Worker):
    said: list = []
    assert values(worker, run(worker, "Steps", said, mode="a")) == [3]
    assert [report.value for report in said if isinstance(report, Progressed)][-1] == 3
    assert [complaint.message for complaint in worker.validate([Call("1", "Steps", {"mode": "b"})])] == [
        "not b"
    ]
    tokens = worker.change_tokens([Call("1", "Steps", {"mode": "a"}), Call("2", "Steps", {"mode": "b"})])
    assert tokens.result(10) == {"1": "'a'", "2": None}
    shown = run(worker, "Files", lora="one.safetensors")
    assert isinstance(shown, Done) and shown.ui is not None
    assert Path(str(shown.ui["text"][0])).name == "one.safetensors"
    assert values(worker, run(worker, "Waits")) == ["waited"]


def test_stop_passes_through_a_packs_own_handlers(worker: Worker):
    said: list = []

    def stop_at_first(report) -> None:
        said.append(report)
        worker._switch.press()

    outcome = worker.submit(task("Steps", mode="a"), stop_at_first).result(20)
    assert outcome == Interrupted() and len(said) == 1


def test_our_example_pack_runs_and_checks_what_is_typed(worker: Worker):
    made = run(worker, "WeftExampleGradient", **defaults(worker, "WeftExampleGradient"), direction="down")
    tinted = run(worker, "WeftExampleTint", image=made.outputs[0], colour="#ff0000", strength=1.0)
    assert probe(worker, tinted.outputs[0])["tensor"] == [1, 256, 256, 3]
    typed = Call("1", "WeftExampleTint", {"colour": "red"})
    wired = Call("2", "WeftExampleTint", {}, {"colour": "STRING"})
    assert [complaint.node for complaint in worker.validate([typed, wired])] == ["1"]


# --- values at the border -------------------------------------------------------------------------------------------


def probe(worker: Worker, token) -> dict:
    shown = run(worker, "ProbeSink", value=token)
    assert isinstance(shown, Done) and shown.ui is not None
    return json.loads(str(shown.ui["probe"][0]))


def test_the_probe_pack_sees_the_fields_values_and_we_see_ours(worker: Worker):
    latent = run(worker, "ProbeLatent", width=4, height=4, batch=2, channels=4)
    assert isinstance(values(worker, latent)[0], Latent)
    assert probe(worker, latent.outputs[0])["samples"]["tensor"] == [2, 4, 4, 4]
    conditioning = run(worker, "ProbeCond", tokens=77, dim=8)
    (conds,) = values(worker, conditioning)
    assert isinstance(conds[0], Cond) and conds[0].pooled.shape == (1, 8)
    seen = probe(worker, conditioning.outputs[0])
    assert seen[0][0]["tensor"] == [1, 77, 8] and seen[0][1]["pooled_output"]["tensor"] == [1, 8]
    assert probe(worker, run(worker, "ProbeValue", json_text="[1, 2]").outputs[0]) == [1, 2]
    for type in ("ProbeImage", "ProbeMask", "ProbeAudio", "ProbeSigmas", "ProbeTexture", "ProbeSoftMask"):
        assert isinstance(run(worker, type, **defaults(worker, type)), Done)


def defaults(worker: Worker, type: str) -> dict:
    inputs = worker.specs()[type].inputs
    return {entry.name: entry.options["default"] for entry in inputs if "default" in entry.options}


def test_a_value_survives_the_way_out_and_in():
    net = ControlNet(CheckpointRef(Path("x"), "hash"))
    hint = torch.zeros(1, 8, 8, 3)
    cond = Cond(
        torch.ones(1, 77, 8),
        pooled=torch.ones(1, 8),
        area=Area(0.5, 0.5, 0.0, 0.25, relative=True),
        strength=0.7,
        mask=torch.ones(1, 8, 8),
        span=Span(0.2, 1.0),
        controls=(ControlUse(net, hint, also_negative=True),),
        extra={"guidance": 3.5},
    )
    face = outward((cond,))
    assert isinstance(face, list)
    options = face[0][1]
    assert options["area"] == ("percentage", 0.5, 0.5, 0.0, 0.25)
    assert options["guidance"] == 3.5 and options["control_apply_to_uncond"] is True
    back = inward(face, "CONDITIONING")[0]  # type: ignore[index]
    assert (back.area, back.strength, back.span) == (cond.area, 0.7, Span(0.2, 1.0))
    assert back.controls == cond.controls and back.extra == cond.extra and back.context is cond.context
    latent = Latent(torch.ones(2, 4, 8, 8), torch.ones(2, 1, 64, 64), (3, 4), {"type": "audio"})
    again = inward(outward(latent), "*")
    assert isinstance(again, Latent) and again.batch_index == (3, 4) and again.extra == {"type": "audio"}
    assert inward(
        {"samples": latent.samples, "noise_mask": torch.ones(64, 64)}, "LATENT"
    ).noise_mask.shape == (
        1,
        1,
        64,
        64,
    )


def test_a_file_and_a_folder_of_one_name_are_two_packs(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "__init__.py").write_text("")
    (tmp_path / "one.py").write_text("")
    (tmp_path / "two.py").write_text("")
    assert len({module_name(path) for path in tmp_path.iterdir()}) == 3
    assert module_name(tmp_path / "two.py").endswith("two")  # as the field's hosts call it
