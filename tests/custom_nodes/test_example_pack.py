"""The example pack does what its comments say, loaded as a host loads any pack: by its path."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture
def pack(project: Path) -> Iterator[ModuleType]:
    place = project / "custom_nodes" / "weft_example_pack"
    spec = importlib.util.spec_from_file_location(
        "example_pack", place / "__init__.py", submodule_search_locations=[str(place)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["example_pack"] = module
    spec.loader.exec_module(module)
    yield module
    for name in ("example_pack", "example_pack.nodes"):
        sys.modules.pop(name, None)


def test_every_node_has_a_name_and_its_method(pack: ModuleType):
    assert pack.NODE_CLASS_MAPPINGS.keys() == pack.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in pack.NODE_CLASS_MAPPINGS.values():
        assert callable(getattr(node, node.FUNCTION))


@pytest.mark.parametrize(
    ("direction", "first", "last"), [("down", (0, 5), (-1, 5)), ("right", (5, 0), (5, -1))]
)
def test_a_gradient_goes_from_its_first_colour_to_its_last(
    pack: ModuleType, direction: str, first: tuple[int, int], last: tuple[int, int]
):
    image, ramp = pack.NODE_CLASS_MAPPINGS["WeftExampleGradient"]().draw(
        24, 16, "#000000", "#ff8000", direction
    )
    assert image.shape == (1, 16, 24, 3)
    assert ramp.shape == (1, 16, 24)
    assert image[0][first].tolist() == [0, 0, 0]
    torch.testing.assert_close(image[0][last], torch.tensor([1.0, 128 / 255, 0.0]))


def test_a_colour_that_is_none_is_refused_with_its_name(pack: ModuleType):
    said = pack.NODE_CLASS_MAPPINGS["WeftExampleGradient"].VALIDATE_INPUTS(start="#000000", end="red")
    assert "end" in said
    assert "'red'" in said


def test_a_tint_keeps_to_its_mask(pack: ModuleType):
    grey = torch.full((1, 4, 4, 3), 0.5)
    mask = torch.zeros(1, 4, 4)
    mask[:, :, 2:] = 1
    (tinted,) = pack.NODE_CLASS_MAPPINGS["WeftExampleTint"]().tint(grey, "#ff0000", 1.0, mask)
    torch.testing.assert_close(tinted[:, :, :2], grey[:, :, :2])
    torch.testing.assert_close(tinted[0, 0, 3], torch.tensor([0.5, 0.0, 0.0]))


def test_a_mask_of_another_size_is_refused_with_both_sizes(pack: ModuleType):
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(4, 4\)"):
        pack.NODE_CLASS_MAPPINGS["WeftExampleTint"]().tint(
            torch.zeros(1, 4, 4, 3), "#ff0000", 1.0, torch.zeros(1, 2, 2)
        )
