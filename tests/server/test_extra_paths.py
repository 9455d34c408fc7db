"""Files of further folders, as people bring them from elsewhere."""

from pathlib import Path

import pytest

from server.extra_paths import PathsUnreadable, read_extra_paths
from server.workspace import Elsewhere, Workspace


def test_sections_keys_and_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODELS_AT", "disk")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = tmp_path / "paths.yaml"
    file.write_text(
        """
# a comment
comfyui:
    base_path: ~/ComfyUI/
    is_default: true
    checkpoints: models/checkpoints/
    text_encoders: |
        models/text_encoders/
        models/clip/
    custom_nodes: custom_nodes/
a1111:
    base_path: $MODELS_AT
    unet: [one, ../two]
    loras: /absolute/loras
    wildcards: wild
    custom_nodes: |
        packs
        packs
nothing:
empty:
    base_path: elsewhere
    vae:
here:
    clip: clips
"""
    )
    found = read_extra_paths([file])
    home, disk = tmp_path / "home" / "ComfyUI", tmp_path / "disk"
    assert found.first == {
        "checkpoints": (home / "models" / "checkpoints",),
        "text_encoders": (home / "models" / "text_encoders", home / "models" / "clip"),
    }
    assert found.models == {
        "diffusion_models": (disk / "one", tmp_path / "two"),
        "loras": (Path("/absolute/loras"),),
        "wildcards": (disk / "wild",),
        "text_encoders": (tmp_path / "clips",),
    }
    assert found.packs == (home / "custom_nodes", disk / "packs")
    assert len(found.missing()) == 10


def test_files_add_up_in_their_order(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"x:\n  loras: {name}\n  vae: both\n")
    found = read_extra_paths([tmp_path / "b.yaml", tmp_path / "a.yaml"])
    assert found.models == {"loras": (tmp_path / "b", tmp_path / "a"), "vae": (tmp_path / "both",)}
    (tmp_path / "both").mkdir()
    assert found.missing() == (tmp_path / "b", tmp_path / "a")


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "just words", "x: words\n", "x: [", "x: {a: !!python/name:os.system }"]
)
def test_a_file_that_is_none_is_named(text, tmp_path: Path):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(PathsUnreadable, match=r"odd\.yaml"):
        read_extra_paths([tmp_path / "odd.yaml"])
    with pytest.raises(PathsUnreadable, match=r"none\.yaml"):
        read_extra_paths([tmp_path / "none.yaml"])


def test_what_is_first_is_found_first(tmp_path: Path):
    for folder in ("first", "home/models/vae", "more"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.safetensors").touch()
    first, more = (
        {"vae": (tmp_path / "first",)},
        {"vae": (tmp_path / "more",), "wildcards": (tmp_path / "more",)},
    )
    home = Workspace(tmp_path / "home", elsewhere=Elsewhere(first_models=first, more_models=more))
    assert home.folders()["vae"] == (
        tmp_path / "first",
        tmp_path / "home" / "models" / "vae",
        tmp_path / "more",
    )
    assert home.find("vae", "x.safetensors") == tmp_path / "first" / "x.safetensors"
    assert home.choices("vae") == ("x.safetensors",)
    assert home.folders()["wildcards"] == (tmp_path / "more",)
