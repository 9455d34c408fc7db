"""What all tests share: no network, one set of Hypothesis's settings, and a Chromium where one is needed."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports huggingface_hub, which reads them once: a test never asks a hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

# Packs of tests run unasked, but where a test is about trust.
os.environ.setdefault("WEFT_TRUST_ALL", "1")

# Processes that share the cores take one each: more threads than cores wait for each other, up to twenty times as long.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # also read by the servers that tests start

# Machines that run tests are busy ones: a slow example is no failure there.
settings.register_profile("weft", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("weft")

MOST_PROCESSES = 4  # each may have a server, a worker and a Chromium of its own
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests that injure Weft at random run long when they are asked to, and a run can be repeated."""
    parser.addoption("--long", action="store_true", help="run fault injection for long (minutes)")
    parser.addoption("--seed", type=int, help="repeat the random choices of a run")
    parser.addoption("--report", action="store_true", help="print tables of what was measured at the end")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole run is shared by a few processes, file by file; a part of it that is asked for by name runs in this one."""
    whole = [str(path) for path in config.args] in ([], config.getini("testpaths"))
    if not whole or config.getoption("report") or config.getoption("long"):
        return 0
    config.option.dist = "loadfile"
    return min(os.cpu_count() or 1, MOST_PROCESSES)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The machine's own Chromium. Without one the test skips, and with CI=true it fails."""
    found = next((path for name in BROWSERS if (path := shutil.which(name)) is not None), None)
    if found is None:
        reason = "There is no Chromium on this machine: install it (Debian: apt-get install chromium), then try again."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(found)


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent
