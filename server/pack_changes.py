"""Packs changed as one: brought in a revision, shown before they change, resolved together, taken back when they fail."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from server.app import build_backend
from server.config import Config
from server.pack_lock import Lock, Locked, Refused, read, revision, write
from server.pack_needs import Change, Environment, closure, wants
from server.trust import DISABLED, packs_in
from server.workspace import Workspace

Say = Callable[[str], None]
LONGEST_DIFF = 400  # lines


def git(pack: Path, *words: str) -> str:
    """What git says, asked inside a pack.

    Raises:
        Refused: there is no git, or it refused.
    """
    found = shutil.which("git")
    if found is None:
        raise Refused("There is no git on this machine: install it.")
    done = subprocess.run([found, "-C", str(pack), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"git {words[0]} in {pack} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def noted(workspace: Workspace, path: Path, source: str) -> None:
    """Write down a pack that came, as it is, and what all packs run with."""
    lock = read(workspace.root).having(path.stem, Locked(source, revision(path)))
    settle(workspace, lock)


def settle(workspace: Workspace, lock: Lock) -> None:
    """Write the lock, with the versions that all packs of it run with now."""
    there = packs_in(workspace.pack_folders)
    packs = [there[name] for name in lock.packs if name in there]
    write(workspace.root, replace(lock, dependencies=closure(wants(packs))))


def forgotten(workspace: Workspace, name: str) -> None:
    """A pack is gone."""
    lock = read(workspace.root)
    if name in lock.packs:
        settle(workspace, lock.having(name, None))


def planned(workspace: Workspace, say: Say, *more: Path) -> list[Change]:
    """What all packs together want changed, said in lines; nothing is changed.

    Raises:
        CannotInstall: it does not go together.
    """
    here = [path for path in packs_in(workspace.pack_folders).values() if not path.name.endswith(DISABLED)]
    fresh = {path.name for path in more}
    changes = Environment().plan(wants([*(path for path in here if path.name not in fresh), *more]))
    for change in changes:
        say(f"    to install: {change}")
    return changes


async def imports(config: Config, name: str) -> str:
    """Empty if a pack can be imported, else why not. It runs its code, so ask of trusted packs alone."""
    backend = build_backend(replace(config, only_packs=frozenset({name})))
    await backend.start()
    try:
        for report in await backend.packs():
            if report.name == name:
                return "" if report.ok or report.error is None else report.error.message
        return "it is not found"
    finally:
        await backend.close()


def install(
    config: Config, changes: list[Change], names: list[str], back: Callable[[], object], say: Say
) -> None:
    """Install, then see that these packs can be imported; else take everything back.

    Raises:
        Refused: they cannot, and everything is as it was.
    """
    place = Environment()
    place.install(changes)
    wrong = {name: why for name in names if (why := asyncio.run(imports(config, name)))}
    if wrong:
        place.undo(changes)
        back()
        told = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        raise Refused(f"It cannot be imported, so everything is as it was before. {told}")
    for change in changes:
        say(f"    installed: {change}")


def update(config: Config, workspace: Workspace, path: Path, *, sure: bool, dry: bool, say: Say) -> None:
    """Bring a clone to what its origin has now: the difference is shown, and taken with `sure` alone.

    Raises:
        Refused: it is pinned, no clone, was changed here, or cannot be imported afterwards.
    """
    lock, name = read(workspace.root), path.stem
    locked = lock.packs.get(name)
    if locked is not None and locked.pinned:
        raise Refused(f"{name} is pinned to {locked.revision}. `weft packs unpin {name}` lets it go.")
    if not (path / ".git").exists():
        raise Refused(f"{name} is no clone: remove it, and add it again from where it came.")
    before = git(path, "rev-parse", "HEAD").strip()
    git(path, "fetch", "--quiet", "origin", "HEAD")
    after = git(path, "rev-parse", "FETCH_HEAD").strip()
    if before == after:
        say(f"{name}: {before[:12]} is the newest.")
        return
    lines = git(path, "diff", "--stat", "--patch", before, after).splitlines()
    for line in lines[:LONGEST_DIFF]:
        say(line)
    if len(lines) > LONGEST_DIFF:
        say(f"... {len(lines) - LONGEST_DIFF} more lines: `git -C {path} diff {before[:12]} {after[:12]}`")
    if dry or not sure:
        say(
            f"{name}: {before[:12]} -> {after[:12]}. Nothing is changed. `weft packs update {name} --yes` takes it."
        )
        return
    git(path, "checkout", "--quiet", "--detach", after)
    try:
        changes = planned(workspace, say)
        trusted = [name] if config.trust.allows(path) else []
        if trusted:
            install(config, changes, trusted, lambda: None, say)
    except Exception:
        git(path, "checkout", "--quiet", "--detach", before)
        raise
    source = locked.source if locked else git(path, "config", "--get", "remote.origin.url").strip()
    settle(workspace, lock.having(name, Locked(source, after)))
    say(f"{name}: {before[:12]} -> {after[:12]}.")


def pin(workspace: Workspace, path: Path, *, on: bool) -> None:
    """Keep a pack in its revision, or let `update` change it again."""
    lock = read(workspace.root)
    held = lock.packs.get(path.stem) or Locked(str(path), revision(path))
    settle(workspace, lock.having(path.stem, replace(held, revision=revision(path), pinned=on)))


def sync(
    config: Config, workspace: Workspace, bring: Callable[[str, Path], Path], *, dry: bool, say: Say
) -> None:
    """Make packs and what they run with as `packs.lock` says. Packs that it does not name stay.

    Args:
        bring: fetches a source into a folder; gives the pack there.

    Raises:
        Refused: a source is another than it was, or a pack cannot be imported afterwards.
        CannotInstall: the versions do not go together here.
    """
    lock, there = read(workspace.root), packs_in(workspace.pack_folders)
    if not lock.packs:
        raise Refused(f"There is no packs.lock in {workspace.root}, or it names no pack.")
    came: list[Path] = []
    for name, locked in lock.packs.items():
        here = there.get(name)
        if here is not None and revision(here) == locked.revision:
            continue
        say(f"{name}: {'to ' + locked.revision[:12] if here else 'from ' + locked.source}")
        if not dry and here is not None:
            _moved(here, locked, say)
        elif not dry:
            came.append(_brought(workspace, name, locked, bring))
    changes = Environment().plan(
        [f"{name}=={version}" for name, version in lock.dependencies.items()] or wants(there.values())
    )
    for change in changes:
        say(f"    to install: {change}")
    if dry:
        return
    trusted = [path.stem for path in came if config.trust.allows(path)]

    def back() -> None:
        for path in came:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    install(config, changes, trusted, back, say)
    for path in came:
        if path.stem not in trusted:
            say(f"{path.stem}: nothing of it runs before `weft packs trust {path.stem}`.")


def _moved(here: Path, locked: Locked, say: Say) -> None:
    if not (here / ".git").exists():
        say(f"    {here.name} is no clone and was changed here: it stays as it is.")
        return
    git(here, "fetch", "--quiet", "origin")
    git(here, "checkout", "--quiet", "--detach", locked.revision)


def _brought(workspace: Workspace, name: str, locked: Locked, bring: Callable[[str, Path], Path]) -> Path:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as scratch:
        found = bring(locked.source, Path(scratch))
        if (found / ".git").exists() and not locked.revision.startswith("sha256:"):
            if revision(found) != locked.revision:
                git(found, "fetch", "--quiet", "--unshallow") if (
                    found / ".git" / "shallow"
                ).exists() else None
                git(found, "checkout", "--quiet", "--detach", locked.revision)
        elif revision(found) != locked.revision:
            raise Refused(f"What lies at {locked.source} is another {name} than packs.lock names.")
        goal = workspace.root / "custom_nodes" / found.name
        shutil.copytree(found, goal, symlinks=True) if found.is_dir() else shutil.copyfile(found, goal)
    return goal
