"""Files: shown and uploaded, never outside their folder, never run in our origin."""

import asyncio
import hashlib
import io
import json

import aiohttp
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.server.api.asking import get

UP = [
    "../secret",
    "..%2fsecret",
    "/etc/passwd",
    "\\\\etc\\passwd",
    "C:\\x",
    "a/../../secret",
    "\0",
    "..",
    ".",
]


def picture(colour: tuple[int, ...], mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> bytes:
    out = io.BytesIO()
    texts = PngInfo()
    texts.add_text("prompt", "{}")
    Image.new(mode, size, colour).save(out, "PNG", pnginfo=texts)
    return out.getvalue()


async def upload(
    http: aiohttp.ClientSession, data: bytes, name: str, route: str = "/upload/image", **fields: str
):
    form = aiohttp.FormData()
    form.add_field("image", data, filename=name, content_type="image/png")
    for field, value in fields.items():
        form.add_field(field, value)
    async with http.post(route, data=form) as answer:
        return answer.status, await answer.json()


async def test_an_upload_is_seen_again_byte_for_byte(http, workspace):
    data = picture((255, 0, 0))
    status, said = await upload(http, data, "red.png", subfolder="sub/deep")
    assert (status, said) == (200, {"name": "red.png", "subfolder": "sub/deep", "type": "input"})
    assert (workspace / "input/sub/deep/red.png").read_bytes() == data
    async with http.get(
        "/view", params={"filename": "red.png", "subfolder": "sub/deep", "type": "input"}
    ) as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", data)
        assert "inline" in answer.headers["Content-Disposition"]


async def test_an_upload_is_offered_by_nodes(http):
    await upload(http, picture((1, 2, 3)), "offered.png")
    described = await get(http, "/object_info/Pick")
    assert "offered.png" in described["Pick"]["input"]["required"]["image"][0]


async def test_same_bytes_are_kept_once_and_others_get_a_number(http):
    one, two = picture((1, 1, 1)), picture((2, 2, 2))
    names = [(await upload(http, data, "twice.png"))[1]["name"] for data in (one, one, two, two, one)]
    assert names == ["twice.png", "twice.png", "twice (1).png", "twice (1).png", "twice.png"]
    _, said = await upload(http, two, "twice.png", overwrite="true")
    assert said["name"] == "twice.png"


@pytest.mark.parametrize("name", UP)
async def test_view_never_leaves_its_folder(http, workspace, name):
    (workspace / "secret").write_text("secret")
    for params in ({"filename": name}, {"filename": "x", "subfolder": name}):
        async with http.get("/view", params=params) as answer:
            assert answer.status in (400, 404)
            assert "secret" not in (await answer.text()).replace("secret'", "")
            assert answer.content_type == "application/json"


@pytest.mark.parametrize("name", [name for name in UP if "\0" not in name])
async def test_an_upload_never_leaves_its_folder(http, workspace, name):
    before = {path for path in workspace.rglob("*") if "input" not in path.parts}
    data = picture((9, 9, 9))
    status, _ = await upload(http, data, "x.png", subfolder=name)
    named, _ = await upload(http, data, name)
    assert status in (200, 400)
    assert named in (200, 400)
    assert {path for path in workspace.rglob("*") if "input" not in path.parts} == before


async def test_a_link_that_leads_out_is_refused(http, workspace, tmp_path):
    (tmp_path / "outside.png").write_bytes(picture((3, 3, 3)))
    (workspace / "output" / "link.png").symlink_to(tmp_path / "outside.png")
    async with http.get("/view?filename=link.png") as answer:
        assert answer.status == 400


async def test_a_wrong_type_or_no_name_is_a_400(http):
    for query in ("", "?filename=", "?filename=x&type=root", "?filename=x&type=models"):
        async with http.get(f"/view{query}") as answer:
            assert answer.status == 400


async def test_the_name_may_say_its_place(http):
    await upload(http, picture((4, 4, 4)), "placed.png")
    async with http.get("/view", params={"filename": "placed.png [input]"}) as answer:
        assert answer.status == 200


ACTIVE = [
    "page.html",
    "page.htm",
    "page.xhtml",
    "page.svg",
    "page.xml",
    "page.js",
    "page.css",
    "page.mjs",
    "page",
    "p.pdf",
]


@pytest.mark.parametrize("name", ACTIVE)
async def test_what_could_run_is_only_saved(http, workspace, name):
    (workspace / "output" / name).write_text(
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    )
    async with http.get("/view", params={"filename": name}) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_an_svg_is_drawn_inside_an_img(http, workspace):
    (workspace / "output" / "drawn.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    async with http.get("/view?filename=drawn.svg", headers={"Sec-Fetch-Dest": "image"}) as answer:
        assert answer.content_type == "image/svg+xml"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_plain_text_is_read_in_the_browser_and_runs_nothing(http, workspace):
    (workspace / "output" / "note.txt").write_text("<script>alert(1)</script>")
    async with http.get("/view?filename=note.txt") as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        assert answer.headers["Content-Disposition"].startswith("inline")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_parts_of_a_file_can_be_asked(http, workspace):
    (workspace / "output" / "film.mp4").write_bytes(bytes(range(100)))
    async with http.get("/view?filename=film.mp4", headers={"Range": "bytes=10-19"}) as answer:
        assert (answer.status, answer.content_type) == (206, "video/mp4")
        assert await answer.read() == bytes(range(10, 20))
    async with http.get("/view?filename=film.mp4", headers={"Range": "bytes=1000-"}) as answer:
        assert answer.status == 416


@pytest.mark.parametrize(
    ("asked", "kind"), [("webp;90", "WEBP"), ("jpeg;80", "JPEG"), ("webp", "WEBP"), ("x;y", "WEBP")]
)
async def test_a_preview_is_of_the_asked_kind(http, asked, kind):
    await upload(http, picture((5, 5, 5, 100), "RGBA"), "preview.png")
    async with http.get(
        "/view", params={"filename": "preview.png", "type": "input", "preview": asked}
    ) as answer:
        assert answer.status == 200
        assert Image.open(io.BytesIO(await answer.read())).format == kind


@pytest.mark.parametrize(
    ("channel", "pixel"), [("rgb", (5, 6, 7)), ("a", (0, 0, 0, 100)), ("rgba", (5, 6, 7, 100))]
)
async def test_a_channel_is_cut_out(http, channel, pixel):
    await upload(http, picture((5, 6, 7, 100), "RGBA"), "channels.png")
    params = {"filename": "channels.png", "type": "input", "channel": channel}
    async with http.get("/view", params=params) as answer:
        shown = Image.open(io.BytesIO(await answer.read()))
    assert shown.getpixel((0, 0)) == pixel


async def test_a_preview_of_what_is_no_picture_is_a_400(http, workspace):
    (workspace / "output" / "broken.png").write_bytes(b"\x89PNG nothing")
    async with http.get("/view?filename=broken.png&preview=webp;90") as answer:
        assert answer.status == 400
        assert "broken.png" in (await answer.json())["error"]["message"]


async def test_a_mask_becomes_the_alpha_and_texts_are_kept(http, workspace):
    await upload(http, picture((9, 8, 7)), "under.png")
    mask = picture((0, 0, 0, 60), "RGBA")
    original = json.dumps({"filename": "under.png", "subfolder": "", "type": "input"})
    status, said = await upload(http, mask, "masked.png", "/upload/mask", original_ref=original)
    assert (status, said["name"]) == (200, "masked.png")
    made = Image.open(workspace / "input" / "masked.png")
    assert made.getpixel((0, 0)) == (9, 8, 7, 60)
    assert made.info["prompt"] == "{}"


@pytest.mark.parametrize("route", ["/upload/image", "/upload/mask", "/api/upload/image"])
async def test_what_is_no_form_is_a_400(http, route):
    for body, kind in (
        (b"{}", "application/json"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=b"),
    ):
        async with http.post(route, data=body, headers={"Content-Type": kind}) as answer:
            assert answer.status == 400, await answer.text()
            assert (await answer.json())["error"]["message"]


async def test_an_upload_above_the_limit_is_refused_and_leaves_nothing(http, workspace):
    async def much():
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="big.png"\r\n\r\n'
        for _ in range(101):
            yield bytes(1 << 20)

    header = {"Content-Type": "multipart/form-data; boundary=b"}
    async with http.post("/upload/image", data=much(), headers=header) as answer:
        assert answer.status == 413
        assert (await answer.json())["error"]["type"] == "body_too_large"
    assert not list((workspace / "input").glob("big*"))
    assert not list((workspace / "temp").glob(".upload*"))


async def test_one_of_many_same_uploads_at_once_is_kept(http, workspace):

    data = picture((7, 7, 7))
    answers = await asyncio.gather(*(upload(http, data, "many.png") for _ in range(8)))
    assert {said["name"] for _, said in answers} == {"many.png"}
    assert (
        hashlib.sha256((workspace / "input/many.png").read_bytes()).digest() == hashlib.sha256(data).digest()
    )
