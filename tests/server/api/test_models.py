"""Models as files: lists, what a file says of itself, its picture."""

import base64
import io
import json
import struct
from pathlib import Path

import pytest
from PIL import Image

from server.config import SHIPPED
from tests.server.api.asking import get


def picture(color: str, kind: str = "PNG", side: int = 900) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), color).save(out, kind)
    return out.getvalue()


def safetensors(**metadata: str) -> bytes:
    head = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(head)) + head


@pytest.fixture(scope="module")
def loras(workspace: Path) -> Path:
    folder = workspace / "models" / "loras"
    inner = f"data:image/png;base64,{base64.b64encode(picture('blue')).decode()}"
    files = {
        "red.safetensors": safetensors(author="Ada"),
        "red.png": picture("red"),
        "deep/green.safetensors": safetensors(),
        "deep/green.preview.png": picture("green"),
        "blue.safetensors": safetensors(**{"modelspec.thumbnail": inner}),
        "bare.safetensors": safetensors(),
        "bad.safetensors": safetensors(**{"modelspec.thumbnail": "data:image/png;base64,!!"}),
        "broken.safetensors": b"\xff" * 20,
        "no picture.safetensors": safetensors(),
        "no picture.png": b"<svg onload=alert(1)>",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "color"), [("red.safetensors", 0), ("deep%2Fgreen.safetensors", 1), ("blue.safetensors", 2)]
)
async def test_a_model_shows_the_picture_beside_it_or_inside_it(http, loras, name, color):
    async with http.get(f"/experiment/models/preview/loras/0/{name}") as answer:
        assert (answer.status, answer.content_type) == (200, "image/webp")
        image = Image.open(io.BytesIO(await answer.read())).convert("RGB")
    assert max(image.size) == 512
    pixel = image.getpixel((5, 5))
    assert pixel[color] == max(pixel)


@pytest.mark.parametrize(
    "place",
    ["loras/0/bare.safetensors", "loras/0/bad.safetensors", "loras/0/broken.safetensors", "loras/0/nobody.safetensors",
     "loras/0/no%20picture.safetensors", "loras/7/red.safetensors", "nothing/0/red.safetensors",
     "loras/0/..%2Floras%2Fred.safetensors", "loras/x/red.safetensors"],
)  # fmt: skip
async def test_no_picture_is_a_404_and_no_name_leads_out(http, loras, place):
    async with http.get(f"/api/experiment/models/preview/{place}") as answer:
        assert answer.status in (400, 404)
        assert (await answer.json())["error"]["message"]


async def test_models_are_listed_with_sizes_and_times(http, loras):
    told = {entry["name"]: entry for entry in await get(http, "/experiment/models/loras")}
    assert told["deep/green.safetensors"]["size"] == len(safetensors())
    assert told["deep/green.safetensors"].keys() == {"name", "pathIndex", "modified", "created", "size"}
    assert set(await get(http, "/models/loras")) - {SHIPPED["loras"]} == told.keys()
    folders = {entry["name"]: entry["folders"] for entry in await get(http, "/experiment/models")}
    assert folders["loras"] == [str(loras)] == (await get(http, "/internal/folder_paths"))["loras"]


async def test_a_file_says_of_itself_what_its_header_holds(http, loras):
    assert await get(http, "/view_metadata/loras?filename=red.safetensors") == {"author": "Ada"}
    for name in ("broken.safetensors", "red.png", ""):
        async with http.get(f"/view_metadata/loras?filename={name}") as answer:
            assert answer.status in (400, 404)


async def test_embeddings_are_named_without_suffix(http, workspace):
    (workspace / "models" / "embeddings" / "sub").mkdir(exist_ok=True)
    (workspace / "models" / "embeddings" / "sub" / "bad_hands.safetensors").write_bytes(b"")
    assert await get(http, "/api/embeddings") == ["sub/bad_hands"]
