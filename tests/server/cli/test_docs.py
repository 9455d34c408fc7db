"""`weft docs samplers`: one file, made by the model that comes along."""

import asyncio
import base64
import io
import re
from argparse import Namespace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from nodes.diffusion.about_schedules import ABOUT_NODE_SCHEDULES
from nodes.diffusion.schedules import SCHEDULES
from server.cli import main
from server.docs_command import docs

PICTURE = re.compile(r'alt="([^"]+)" src="data:image/webp;base64,([^"]+)"')


class Elements(HTMLParser):
    """What a page consists of, and whether all that opens is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.targets += [(given["href"] or "")[1:]] if (given.get("href") or "").startswith("#") else []
        self.fetched += [given["src"] or ""] if "src" in given else []
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_holds_pictures_of_each_sampler_and_a_curve_of_each_schedule(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    goal = tmp_path / "pages" / "samplers.html"
    asked = ["--samplers", "euler", "dpmpp_2m_cfg_pp", "--steps", "1", "3"]
    assert main(["docs", "samplers", "--output", str(goal), *asked]) == 0
    said = capfd.readouterr()
    assert said.out.strip() == str(goal)
    assert "[2/2] dpmpp_2m_cfg_pp" in said.err
    text = goal.read_text(encoding="utf-8")
    elements = Elements()
    elements.feed(text)
    assert elements.open == []
    assert len(set(elements.ids)) == len(elements.ids)
    assert set(elements.targets) <= set(elements.ids)
    assert all(place.startswith("data:") for place in elements.fetched), "the page needs no other file"
    assert text.count("<polyline") == len(SCHEDULES) + len(ABOUT_NODE_SCHEDULES)
    pictures = dict(PICTURE.findall(text))
    assert {"euler, 1 step", "euler, 3 steps", "dpmpp_2m_cfg_pp, 3 steps", "guidance, 20"} <= set(pictures)
    assert pictures["guidance, 3"] == pictures["euler, 3 steps"], "the same settings give the same picture"
    assert len(set(pictures.values())) == len(pictures) - 1 == 11
    for body in pictures.values():
        with Image.open(io.BytesIO(base64.b64decode(body))) as picture:
            assert picture.size == (128, 128)
            assert max(ImageStat.Stat(picture.convert("RGB")).stddev) > 5


def test_an_unknown_sampler_is_named_and_nothing_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    goal = tmp_path / "samplers.html"
    assert main(["docs", "samplers", "-o", str(goal), "--samplers", "eula"]) == 2
    assert "'eula'" in capfd.readouterr().err
    assert not goal.exists()


async def test_a_stop_ends_the_maker(tmp_path: Path):
    ending = asyncio.Event()
    ending.set()
    goal = tmp_path / "samplers.html"
    status = await asyncio.wait_for(docs(Namespace(output=goal, samplers=[], steps=[]), ending), 30)
    assert status == 130
    assert not goal.exists()
