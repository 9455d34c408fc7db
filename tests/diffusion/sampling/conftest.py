"""The distances of samplers to the field's recorded answers, as a table at the end of the report (pytest --report)."""

from collections import defaultdict

import pytest

from tests.diffusion.sampling.test_golden import Distances, distances_key


@pytest.fixture
def distances(request: pytest.FixtureRequest) -> Distances:
    """Where a test writes down how far it was from what was recorded."""
    return request.config.stash.setdefault(distances_key, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table: samplers down, settings across, the largest distance of any recorded number in each."""
    found = config.stash.get(distances_key, {})
    if not found or not config.getoption("--report"):
        return
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for (setting, sampler), distance in found.items():
        table[sampler][setting] = distance
    settings = sorted({setting for setting, _ in found})
    terminalreporter.section("distance to recorded answers (largest absolute difference)")
    terminalreporter.write_line(f"{'sampler':32}" + "".join(f"{setting:>26}" for setting in settings))
    for sampler, row in table.items():
        cells = (f"{row[setting]:26.1e}" if setting in row else f"{'':>26}" for setting in settings)
        terminalreporter.write_line(f"{sampler:32}" + "".join(cells))
    worst = max(found.values())
    terminalreporter.write_line(f"{len(table)} samplers, {len(found)} cases, the farthest {worst:.1e}")
