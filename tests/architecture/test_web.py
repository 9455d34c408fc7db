"""The canvas's own checks, run by the Node that comes with `pip install -e '.[test]'`."""

import pytest

from tests.architecture.tools import PROJECT
from web.build import build, run_script

WEB = PROJECT / "web"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", ["test", "check"])
def test_the_canvas_passes_its_own(script: str):
    run_script(WEB, script)


@pytest.mark.timeout(600)
def test_an_unchanged_canvas_is_not_built_again():
    index = build(WEB) / "index.html"
    before = index.stat().st_mtime_ns
    build(WEB)
    assert index.stat().st_mtime_ns == before
