"""What packs want installed: resolved together, by uv or pip, before anything is changed. torch is never replaced."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

WANTS = "requirements.txt"
KEPT = re.compile(r"torch|torchvision|torchaudio|triton|pytorch-triton.*|nvidia-.*")  # never replaced
PATHS = "import json, sys; print(json.dumps([entry for entry in sys.path if entry]))"
CHANGED = re.compile(r"^\s*([+-])\s*([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)  # as uv tells
PATIENCE = 1800.0  # seconds; some wheels are gigabytes


class CannotInstall(Exception):
    """What packs want cannot be installed together; the message holds the resolver's words."""


@dataclass(frozen=True, slots=True)
class Change:
    """A package that would be installed: in which version, and which is there now (empty: none)."""

    name: str
    after: str
    before: str = ""

    def __str__(self) -> str:
        return (
            f"{self.name} {self.before} -> {self.after}" if self.before else f"{self.name} {self.after} (new)"
        )


class Environment:
    """Where packs' needs are installed.

    Args:
        python: the interpreter that runs packs.
    """

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python

    def installed(self) -> dict[str, str]:
        """Versions by name, as names are compared."""
        said = subprocess.run([self._python, "-c", PATHS], check=True, capture_output=True, text=True).stdout
        return {bare(found.name): found.version for found in distributions(path=json.loads(said))}

    def plan(self, wanted: Sequence[str]) -> list[Change]:
        """What installing all of this, together with what is there, would change. Nothing is changed.

        Raises:
            CannotInstall: it does not go together, or would replace torch.
        """
        if not wanted:
            return []
        here = self.installed()
        for line in wanted:
            name = bare(Requirement(line).name)
            if KEPT.fullmatch(name) and name in here and not _is_met(line, here):
                raise CannotInstall(f"{line} is refused: {name} {here[name]} is what Weft itself runs on.")
        if all(_is_met(line, here) for line in wanted):
            return []
        with TemporaryDirectory() as scratch:
            asked, held = Path(scratch) / "wanted.txt", Path(scratch) / "held.txt"
            asked.write_text("\n".join(wanted), "utf-8")
            held.write_text(
                "\n".join(f"{name}=={found.partition('+')[0]}" if "+" not in found else f"{name}=={found}"
                          for name, found in here.items() if KEPT.fullmatch(name))
                + "\n" + "\n".join(_own()),
                "utf-8",
            )  # fmt: skip
            found = self._resolved(asked, held)
        changes = [Change(name, after, here.get(name, "")) for name, after in sorted(found.items())]
        replaced = [str(change) for change in changes if KEPT.fullmatch(change.name) and change.before]
        if replaced:
            raise CannotInstall(f"This would replace {', '.join(replaced)}, which Weft itself runs on.")
        return [change for change in changes if change.before != change.after]

    def install(self, changes: Iterable[Change]) -> None:
        """Install exactly these versions, and nothing beside.

        Raises:
            CannotInstall: it did not work; what was installed by then may have changed.
        """
        exact = [f"{change.name}=={change.after}" for change in changes]
        if exact:
            self._run(*self._installer(), "install", "--no-deps", *exact)

    def undo(self, changes: Iterable[Change]) -> None:
        """Bring back what was there before `install`. Errors as there."""
        told = list(changes)
        self.install(Change(one.name, one.before) for one in told if one.before)
        new = [one.name for one in told if not one.before]
        if new:
            sure = () if self._uv() else ("--yes",)
            self._run(*self._installer(), "uninstall", *sure, *new)

    def _resolved(self, asked: Path, held: Path) -> Mapping[str, str]:
        files = ("-r", str(asked), "-c", str(held))
        if self._uv():
            said = self._run(*self._installer(), "install", "--dry-run", *files)
            return {bare(name): after for sign, name, after in CHANGED.findall(said) if sign == "+"}
        said = self._run(*self._installer(), "install", "--dry-run", "--quiet", "--report", "-", *files)
        report: Any = json.loads(said[said.index("{") : said.rindex("}") + 1])
        return {bare(one["metadata"]["name"]): one["metadata"]["version"] for one in report["install"]}

    def _uv(self) -> str | None:
        return shutil.which("uv")

    def _installer(self) -> tuple[str, ...]:
        uv = self._uv()
        if uv:
            return uv, "pip", "--python", self._python
        return sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self._python

    def _run(self, *command: str) -> str:
        if command[1:2] == ("pip",):  # uv takes the interpreter after its verb
            uv, pip, option, python, verb, *rest = command
            command = (uv, pip, verb, option, python, *rest)
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            words = "\n".join(line for line in done.stderr.splitlines() if "notice" not in line)
            torch = " torch and what belongs to it stay as they are." if KEPT.search(words) else ""
            raise CannotInstall(f"What packs want does not go together.{torch}\n{words.strip()}")
        return done.stdout + done.stderr if command[1] == "pip" else done.stdout


def _own() -> list[str]:
    """What Weft itself needs: packs live with it."""
    try:
        lines = requires("weft") or []
    except PackageNotFoundError:
        return []
    return [line for line in lines if "extra ==" not in line and not Requirement(line).extras]


def _is_met(line: str, here: Mapping[str, str]) -> bool:
    """Whether what is there is enough, so that no resolver need be asked."""
    asked = Requirement(line)
    if asked.marker is not None and not asked.marker.evaluate({"extra": ""}):
        return True
    version = here.get(bare(asked.name))
    plain = not asked.extras and asked.url is None
    return version is not None and plain and asked.specifier.contains(version, prereleases=True)


def wants(packs: Iterable[Path]) -> list[str]:
    """What these packs' requirements.txt say, in lines; options in them (other indexes) and broken lines are left out."""
    found: dict[str, None] = {}
    for pack in packs:
        file = pack / WANTS
        for raw in file.read_text("utf-8", errors="replace").splitlines() if file.is_file() else ():
            line = raw.split(" #")[0].strip()
            try:
                Requirement(line)
            except InvalidRequirement:
                continue
            found[line] = None
    return list(found)


def closure(wanted: Iterable[str], python: str = sys.executable) -> dict[str, str]:
    """Versions of all that these need and that is installed, needs of needs too; torch's family is left out."""
    said = subprocess.run([python, "-c", PATHS], check=True, capture_output=True, text=True).stdout
    there = {bare(found.name): found for found in distributions(path=json.loads(said))}
    found: dict[str, str] = {}
    open_ = [Requirement(line) for line in wanted]
    while open_:
        one = open_.pop()
        name = bare(one.name)
        if name in found or name not in there or KEPT.fullmatch(name):
            continue
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        found[name] = there[name].version
        open_ += [Requirement(line) for line in there[name].requires or ()]
    return dict(sorted(found.items()))


def bare(name: str) -> str:
    """A name as names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()
