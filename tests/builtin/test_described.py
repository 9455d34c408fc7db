"""Built-in nodes are what files and clients expect: names, inputs, order, defaults, ranges, outputs."""

import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from nodes.builtin import about, all_nodes
from nodes.builtin.about import REASONS, YES, statuses, table
from nodes.spec import InputSpec, Json, NodeSpec, Section

SPEC = Path(__file__).parents[1] / "data" / "spec" / "nodes.json.gz"
FILES = frozenset(
    {"ckpt_name", "vae_name", "lora_name", "control_net_name", "image", "latent", "clip_name"}
    | {"folder", "style_model_name", "gligen_name", "model_name", "unet_name", "model_path", "config_name"}
    | {"hypernetwork_name", "name", "photomaker_model_name"}
    | {f"clip_name{number}" for number in range(1, 5)}
)  # lists differ by machine
HIDDEN = ("PROMPT", "EXTRA_PNGINFO", "UNIQUE_ID")
OURS = frozenset({"tooltip", "placeholder", "advanced"})  # texts of our own are welcome
IN_ISSUE = """CheckpointLoaderSimple VAELoader LoraLoader LoraLoaderModelOnly ControlNetLoader CLIPTextEncode
CLIPSetLastLayer
ConditioningCombine ConditioningConcat ControlNetApply ControlNetApplyAdvanced EmptyLatentImage KSampler
KSamplerAdvanced
VAEDecode VAEEncode VAEEncodeForInpaint SetLatentNoiseMask LatentUpscale LatentUpscaleBy ImageScale ImageScaleBy
ImageInvert ImageBatch LoadImage LoadImageMask SaveImage PreviewImage Canny SolidMask InvertMask MaskComposite GrowMask
MaskToImage ImageToMask PrimitiveInt PrimitiveFloat PrimitiveString PrimitiveStringMultiline PrimitiveBoolean""".split()

BUILTIN = {
    entry.spec.id: entry.spec
    for entry in all_nodes()
    if not entry.spec.id.startswith("Weft")  # ours alone
}


@cache
def described() -> dict[str, dict[str, Json]]:
    with gzip.open(SPEC, "rt", encoding="utf-8") as file:
        return json.load(file)


def as_described(spec: InputSpec) -> list[Json]:
    options = {name: value for name, value in spec.options.items() if name not in OURS}
    if spec.section is Section.HIDDEN:
        return spec.type  # type: ignore[return-value]
    if spec.choices is None:
        return [spec.type, options] if options else [spec.type]
    if spec.choices.bare:
        return [list(spec.choices.values), options] if options else [list(spec.choices.values)]
    return ["COMBO", {**options, "options": list(spec.choices.values)}]


def fields(raw: Json) -> Json:
    """A described input without the default that a combo takes from its first choice, and without empty options."""
    if not isinstance(raw, list):
        return raw
    if len(raw) == 1 and raw[0] in HIDDEN:  # some nodes say a hidden input so
        return raw[0]
    kind, options = raw[0], dict(raw[1]) if len(raw) > 1 else {}  # type: ignore[arg-type]
    if isinstance(kind, list) or kind == "COMBO":
        options.pop("default", None)
    options.pop("multiselect", None)
    return [kind, {name: value for name, value in options.items() if value is not False and name not in OURS}]


def test_all_nodes_of_the_issue_are_there():
    assert set(IN_ISSUE) <= set(BUILTIN)


@pytest.mark.parametrize("id", sorted(BUILTIN))
def test_a_built_in_node_is_described_as_files_expect(id: str):
    spec, expected = BUILTIN[id], described()[id]
    assert spec.category == expected["category"]
    assert spec.display_name == expected.get("display_name", id)
    assert spec.is_output == expected["output_node"]
    assert [output.type for output in spec.outputs] == expected["output"]
    assert [output.name for output in spec.outputs] == expected["output_name"]
    for section in Section:
        wanted = expected["input"].get(section.value, {})  # type: ignore[union-attr]
        assert [entry.name for entry in spec.section(section)] == list(wanted)
        for entry in spec.section(section):
            if entry.name not in FILES:
                assert fields(as_described(entry)) == fields(wanted[entry.name]), entry.name


def test_every_node_of_the_field_is_here_or_has_a_reason():
    found = statuses()
    assert set(found) == set(described())
    assert {name for name, word in found.items() if word == YES} == set(BUILTIN)
    assert set(found.values()) <= {YES, *REASONS}


def test_the_page_of_nodes_is_that_of_today():
    page = Path(about.__file__).with_name("NODES.md")
    assert page.read_text("utf-8") == table(), "run python -m nodes.builtin.about > nodes/builtin/NODES.md"


def test_no_two_built_in_nodes_have_one_name():
    names = [entry.spec.id for entry in all_nodes()]
    assert sorted(names) == sorted(set(names))


def test_every_built_in_node_says_what_it_does():
    assert [spec.id for spec in BUILTIN.values() if not spec.description] == []


def test_descriptions_travel():
    import pickle

    spec: NodeSpec
    for spec in BUILTIN.values():
        assert pickle.loads(pickle.dumps(spec)) == spec
