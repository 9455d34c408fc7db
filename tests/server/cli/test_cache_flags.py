"""The flags that say which results are kept."""

import pytest

from server.cli import _read
from server.memory import GIGABYTE
from server.settings import keeping
from server.worker.keeping import Keeping, Policy


@pytest.mark.parametrize("command", ["serve", "run file.json"])
@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ("", Keeping()),
        ("--cache-classic", Keeping(policy=Policy.CLASSIC)),
        ("--cache-lru 7", Keeping(policy=Policy.LRU, most=7)),
        ("--cache-lru 0", Keeping()),
        ("--cache-none", Keeping(policy=Policy.NONE, disk=0)),
        ("--cache-none --cache-disk 1", Keeping(policy=Policy.NONE, disk=GIGABYTE)),
        ("--cache-ram", Keeping(policy=Policy.RAM)),
        ("--cache-ram 4", Keeping(policy=Policy.RAM, headroom=4 * GIGABYTE)),
        (
            "--cache-ram 4 .5",
            Keeping(policy=Policy.RAM, headroom=4 * GIGABYTE, idle_headroom=GIGABYTE // 2),
        ),
        ("--cache-disk 2.5", Keeping(disk=GIGABYTE * 5 // 2)),
    ],
)
def test_a_flag_means_what_it_says(command: str, flags: str, kept: Keeping):
    assert keeping(_read([*command.split(), *flags.split()])) == kept


@pytest.mark.parametrize("flags", ["--cache-lru -1", "--cache-disk x", "--cache-classic --cache-none"])
def test_nonsense_is_refused(flags: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        _read(["serve", *flags.split()])
    assert "--cache-" in capsys.readouterr().err
