"""Pictures found again by what they were made of."""

import uuid

from tests.server.api.asking import get, history, prompt, queue


async def made(http, name: str, side: int) -> str:
    nodes = prompt(
        a=("Say", {"text": f"a {name} in the snow"}),
        b=("Save", {"side": side, "filename_prefix": name}),
    )
    job = (await queue(http, nodes, extra_data={"weft_name": f"{name} study"}))["prompt_id"]
    await history(http, job)
    return job


async def test_pictures_are_found_by_words_and_kept_as_favourites(http):
    name = f"kite{uuid.uuid4().hex[:8]}"
    first, second = await made(http, name, 8), await made(http, name, 9)
    found = await get(http, f"/api/weft/pictures?text={name.upper()}%20STUDY")
    assert [one["job"] for one in found["pictures"]] == [second, first]
    assert found["has_more"] is False
    page = await get(http, f"/api/weft/pictures?text={name}&limit=1&offset=1")
    assert [one["job"] for one in page["pictures"]] == [first]
    assert (await get(http, f"/api/weft/pictures?text={name}&limit=1"))["has_more"] is True
    assert (await get(http, f"/api/weft/pictures?text={name}%20nowhere"))["pictures"] == []
    asset = found["pictures"][1]["asset"]
    async with http.post(f"/api/assets/{asset}/tags", json={"tags": ["favourite"]}) as answer:
        assert answer.status == 200
    liked = await get(http, f"/api/weft/pictures?text={name}&favourites=true")
    assert [(one["job"], one["favourite"]) for one in liked["pictures"]] == [(first, True)]
    async with http.delete(f"/api/assets/{asset}", params={"delete_content": "true"}) as answer:
        assert answer.status in (200, 204)
    found = await get(http, f"/api/weft/pictures?text={name}")
    assert [one["job"] for one in found["pictures"]] == [second]


def test_what_a_picture_was_made_of_is_what_stands_before_it():
    from server.api.pictures_found import asked_for

    asked = asked_for(
        {
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-starter-v0"}},
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
            "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a dog", "clip": ["1", 1]}},
            "4": {
                "class_type": "KSampler",
                "inputs": {"seed": 2**64 - 1, "positive": ["2", 0], "model": ["5", 0], "add": True},
            },
            "5": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink.safetensors", "model": ["1", 0]}},
            "6": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "weft"}},
        },
        "6",
    )
    assert asked.prompts == ["a cat"]
    assert asked.models == ["ink.safetensors", "weft-starter-v0"]
    assert asked.seeds == [str(2**64 - 1)]
