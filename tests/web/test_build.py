"""The canvas's build: done once for the same sources, and clear about what stopped it."""

import json
from pathlib import Path

import pytest

from web.build import WebBuildError, build, digest, install

# Stands where Vite does: counts how often it ran, in the page that it writes.
BUNDLER = """
const fs = require("fs");
fs.appendFileSync(".runs", "ran\\n");
fs.mkdirSync("dist", { recursive: true });
fs.copyFileSync(".runs", "dist/index.html");
"""


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A canvas of one source, with a bundler of its own among its packages."""
    web = tmp_path / "web"
    bundler = web / "bundler"
    (bundler / "bin").mkdir(parents=True)
    (bundler / "package.json").write_text(json.dumps({"name": "vite", "version": "1.0.0"}))
    (bundler / "bin" / "vite.js").write_text(BUNDLER)
    (web / "src").mkdir()
    (web / "src" / "main.ts").write_text("export {};\n")
    needs = {"vite": "file:bundler"}
    (web / "package.json").write_text(
        json.dumps({"name": "canvas", "version": "1.0.0", "devDependencies": needs})
    )
    lock = {
        "name": "canvas",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": "canvas", "version": "1.0.0", "devDependencies": needs},
            "bundler": {"name": "vite", "version": "1.0.0", "dev": True},
            "node_modules/vite": {"resolved": "bundler", "link": True},
        },
    }
    (web / "package-lock.json").write_text(json.dumps(lock))
    return web


def runs(web: Path) -> int:
    return len((web / "dist" / "index.html").read_text().splitlines())


def test_the_same_sources_are_built_once_and_changed_ones_again(web: Path):
    build(web)
    build(web)
    assert runs(web) == 1
    (web / "src" / "main.ts").write_text("export const changed = 1;\n")
    build(web)
    assert runs(web) == 2


def test_a_build_without_its_page_says_where_to_look(web: Path):
    (web / "bundler" / "bin" / "vite.js").write_text("")
    with pytest.raises(WebBuildError, match=r"build\.outDir"):
        build(web)


def test_a_failed_step_shows_what_it_said(web: Path):
    (web / "bundler" / "bin" / "vite.js").write_text('console.error("no such slot"); process.exit(3);')
    with pytest.raises(WebBuildError, match=r"(?s)build the canvas: status 3.*no such slot"):
        build(web)


def test_sources_without_a_lock_file_are_refused(tmp_path: Path):
    with pytest.raises(WebBuildError, match=r"package-lock\.json is missing"):
        install(tmp_path)


def test_line_ends_and_order_do_not_change_the_hash_of_sources(tmp_path: Path):
    first, second = tmp_path / "a.ts", tmp_path / "b.ts"
    first.write_bytes(b"one\ntwo\n")
    second.write_bytes(b"three\n")
    before = digest([first, second], tmp_path)
    first.write_bytes(b"one\r\ntwo\r\n")
    assert digest([second, first], tmp_path) == before
    first.write_bytes(b"one\n")
    assert digest([first, second], tmp_path) != before
