"""Packs changed as one: brought in a revision, shown before they change, resolved together, taken back when they fail."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from server.app import build_backend
from server.config import Config
from server.pack_copies import Newer, discard, files_of, newer, remember, remembered
from server.pack_lock import Lock, Locked, Refused, read, revision, write
from server.pack_needs import Change, Environment, closure, wants
from server.trust import DISABLED, pack_name, packs_in
from server.workspace import Workspace

Say = Callable[[str], None]
Bring = Callable[[str, Path], Path]
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
    lock = read(workspace.root).having(pack_name(path), Locked(source, revision(path)))
    settle(workspace, lock)
    _remember(workspace, path)


def _remember(workspace: Workspace, path: Path) -> None:
    """Write down what came with a copy; git knows that of its clones."""
    if not (path / ".git").exists():
        remember(workspace.user, pack_name(path), files_of(path))


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
    if remembered(workspace.user, name) is not None:
        remember(workspace.user, name, None)


def put_aside(workspace: Workspace, name: str, aside: Path) -> None:
    """Keep beside a removed pack what is written down of it, or that nothing is."""
    write(aside, read(aside).having(name, read(workspace.root).packs.get(name)))
    remember(aside, name, remembered(workspace.user, name))


def taken_back(workspace: Workspace, name: str, aside: Path) -> None:
    """A removed pack is there again: so is what was written down of it."""
    locked = read(aside).packs.get(name)
    if locked is not None:
        settle(workspace, read(workspace.root).having(name, locked))
    files = remembered(aside, name)
    if files is not None:
        remember(workspace.user, name, files)


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


def update(
    config: Config, workspace: Workspace, path: Path, bring: Bring, *, sure: bool, dry: bool, say: Say
) -> None:
    """Bring a pack to what lies now where it came from: the difference is shown, and taken with `sure` alone.

    Args:
        bring: fetches a source into a folder; gives the pack there.

    Raises:
        Refused: it is pinned, nothing says where it came from, it was changed here, or cannot be imported afterwards.
    """
    name = pack_name(path)
    locked = read(workspace.root).packs.get(name)
    if locked is not None and locked.pinned:
        raise Refused(f"{name} is pinned to {locked.revision}. `weft packs unpin {name}` lets it go.")
    if (path / ".git").exists():
        _update_clone(config, workspace, path, sure=sure and not dry, say=say)
    elif locked is None:
        raise Refused(
            f"Nothing says where {name} came from: it was put there by hand. `weft packs remove {name}`, then"
            " `weft packs add` with its address, folder or zip file; from then on it can be updated."
        )
    else:
        with TemporaryDirectory() as scratch:
            try:
                found = bring(locked.source, Path(scratch))
            except (Refused, OSError) as error:
                raise Refused(
                    f"{name} came from {locked.source}, which cannot be had now: {error}"
                ) from error
            _update_copy(
                config, workspace, newer(path, found, _came(workspace, path, locked)), sure and not dry, say
            )


def _came(workspace: Workspace, path: Path, locked: Locked) -> Mapping[str, str] | None:
    """What came with a pack; known too where it is as it came."""
    came = remembered(workspace.user, pack_name(path))
    return files_of(path) if came is None and revision(path) == locked.revision else came


def _update_copy(config: Config, workspace: Workspace, what: Newer, sure: bool, say: Say) -> None:
    name, lock, now = pack_name(what.pack), read(workspace.root), revision(what.found)
    if not what.written and not what.removed:
        say(f"{name}: it is the newest.")
        return
    _show(list(what.shown()), f"compare with {lock.packs[name].source}", say)
    if not sure:
        say(f"{name}: nothing is changed. `weft packs update {name} --yes` takes it.")
        return
    before = what.put()
    try:
        _tried(config, workspace, what.pack, say)
    except BaseException:
        what.taken_back(before)
        raise
    discard(before)
    remember(workspace.user, name, what.files)
    settle(workspace, lock.having(name, replace(lock.packs[name], revision=now)))
    say(f"{name}: {lock.packs[name].revision[:19]} -> {now[:19]}.")


def _update_clone(config: Config, workspace: Workspace, path: Path, *, sure: bool, say: Say) -> None:
    name, lock = pack_name(path), read(workspace.root)
    before = git(path, "rev-parse", "HEAD").strip()
    git(path, "fetch", "--quiet", "origin", "HEAD")
    after = git(path, "rev-parse", "FETCH_HEAD").strip()
    if before == after:
        say(f"{name}: {before[:12]} is the newest.")
        return
    lines = git(path, "diff", "--stat", "--patch", before, after).splitlines()
    _show(lines, f"`git -C {path} diff {before[:12]} {after[:12]}`", say)
    if not sure:
        say(
            f"{name}: {before[:12]} -> {after[:12]}. Nothing is changed. `weft packs update {name} --yes` takes it."
        )
        return
    git(path, "checkout", "--quiet", "--detach", after)
    try:
        _tried(config, workspace, path, say)
    except BaseException:
        git(path, "checkout", "--quiet", "--detach", before)
        raise
    held = lock.packs.get(name)
    source = held.source if held else git(path, "config", "--get", "remote.origin.url").strip()
    settle(workspace, lock.having(name, Locked(source, after)))
    say(f"{name}: {before[:12]} -> {after[:12]}.")


def _tried(config: Config, workspace: Workspace, path: Path, say: Say) -> None:
    """Install what all packs want by now, and see that this one can be imported, if somebody trusts it.

    Raises:
        CannotInstall, Refused: it does not go, or cannot be imported.
    """
    changes = planned(workspace, say)
    if config.trust.allows(path):
        install(config, changes, [pack_name(path)], lambda: None, say)


def _show(lines: list[str], rest: str, say: Say) -> None:
    for line in lines[:LONGEST_DIFF]:
        say(line)
    if len(lines) > LONGEST_DIFF:
        say(f"... {len(lines) - LONGEST_DIFF} more lines: {rest}")


def pin(workspace: Workspace, path: Path, *, on: bool) -> None:
    """Keep a pack in its revision, or let `update` change it again."""
    lock = read(workspace.root)
    held = lock.packs.get(pack_name(path)) or Locked(str(path), revision(path))
    settle(workspace, lock.having(pack_name(path), replace(held, revision=revision(path), pinned=on)))


def sync(config: Config, workspace: Workspace, bring: Bring, *, dry: bool, say: Say) -> None:
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
    trusted = [pack_name(path) for path in came if config.trust.allows(path)]

    def back() -> None:
        for path in came:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    install(config, changes, trusted, back, say)
    for path in came:
        if pack_name(path) not in trusted:
            say(f"{pack_name(path)}: nothing of it runs before `weft packs trust {pack_name(path)}`.")


def _moved(here: Path, locked: Locked, say: Say) -> None:
    if not (here / ".git").exists():
        say(f"    {here.name} is no clone and was changed here: it stays as it is.")
        return
    git(here, "fetch", "--quiet", "origin")
    git(here, "checkout", "--quiet", "--detach", locked.revision)


def _brought(workspace: Workspace, name: str, locked: Locked, bring: Bring) -> Path:
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
    _remember(workspace, goal)
    return goal
