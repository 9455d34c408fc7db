"""`weft packs`: how community packs fare, whose code may run, and packs added, switched off, removed and brought back."""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from server.app import build_backend, build_workspace
from server.backends.base import BackendLost, PackReport
from server.config import Config
from server.pack_changes import forgotten, install, noted, pin, planned, put_aside, sync, taken_back, update
from server.pack_limits import PackLimits, Unreadable, fault_of
from server.pack_lock import Refused
from server.pack_needs import CannotInstall, Change
from server.trust import DISABLED, origin, pack_name, packs_in
from server.workspace import Workspace

FAULTS = (Refused, CannotInstall, Unreadable, OSError, subprocess.SubprocessError, zipfile.BadZipFile)
SUCCESS, FAILURE, USAGE = 0, 1, 2
REMOVED = "removed_packs"  # among the user data: what `remove` took away, for `restore`
TOLD = {"files": "writes files", "programs": "starts programs", "network": "uses the network"} | {
    "routes": "answers under", "replaced": "replaces", "reads": "reads", "refused": "WAS REFUSED"
}  # fmt: skip


async def packs(config: Config, options: argparse.Namespace) -> int:
    """Do what the command line says; the exit status."""
    if options.act == "list":
        return await _list(config)
    if not options.names and options.act != "sync":
        print(f"weft packs {options.act}: name at least one.", file=sys.stderr)
        return USAGE
    workspace = build_workspace(config.workspace, config.packs, config.elsewhere)
    try:
        if options.act == "sync":
            await asyncio.to_thread(sync, config, workspace, _fetched, dry=options.dry_run, say=print)
        for name in options.names:
            await asyncio.to_thread(_act, options.act, name, config, workspace, options)
    except FAULTS as error:
        print(f"weft packs: {error}", file=sys.stderr)
        return FAILURE
    return SUCCESS


def _act(act: str, name: str, config: Config, workspace: Workspace, options: argparse.Namespace) -> None:
    if act == "add":
        _add(name, config, workspace, options)
        return
    if act == "restore":
        print(f"{restored(name, workspace)} is back.")
        return
    path = _there(name, workspace)
    if act == "limit":
        _limit(name, config, workspace, options)
        return
    if act == "update":
        update(config, workspace, path, _fetched, sure=options.yes, dry=options.dry_run, say=print)
        return
    done: Mapping[str, Callable[[], object]] = {
        "trust": lambda: config.trust.add(path),
        "distrust": lambda: config.trust.remove(path),
        "disable": lambda: switched(path, on=False),
        "enable": lambda: switched(path, on=True),
        "remove": lambda: (removed(path, workspace), forgotten(workspace, name)),
        "pin": lambda: pin(workspace, path, on=True),
        "unpin": lambda: pin(workspace, path, on=False),
    }
    done[act]()
    print(f"{name}: {act}, from the next start on.")


def _add(source: str, config: Config, workspace: Workspace, options: argparse.Namespace) -> None:
    """Bring a pack. What it wants is resolved first, with what the others want; it is installed for a trusted one."""
    changes: list[Change] = []

    def fits(found: Path) -> bool:
        if not options.no_deps:
            changes.extend(planned(workspace, print, found))
        return not options.dry_run

    path = added(source, workspace, fits)
    if options.dry_run:
        print(f"Nothing is changed. {path.name} would lie in {path}.")
        return
    print(f"{path.name} lies in {path}.")
    if options.trust:
        config.trust.add(path)
    if not config.trust.allows(path):
        print(f"Nothing of it runs before `weft packs trust {path.name}`. Look at it first: {_first(path)}.")
        if changes:
            print("What it wants is not installed either: `weft packs sync` does that.")
    elif changes:
        install(config, changes, [pack_name(path)], lambda: removed(path, workspace), print)
    noted(workspace, path, origin(path) or _whole(source))


def _whole(source: str) -> str:
    """A path that means the same from everywhere; an address as it is."""
    local = Path(source).expanduser()
    return str(local.resolve()) if local.exists() else source


def _there(name: str, workspace: Workspace) -> Path:
    """Where a pack lies.

    Raises:
        Refused: there is none of that name.
    """
    known = packs_in(workspace.pack_folders)
    if name not in known:
        raise Refused(f"There is no pack {name!r}. There are: {', '.join(known) or 'none'}.")
    return known[name]


def _limit(name: str, config: Config, workspace: Workspace, options: argparse.Namespace) -> None:
    """Change what a pack may do, as far as the command line says, and tell what holds then."""
    held = config.limits.of(name)
    more = tuple(folder.expanduser().resolve() for folder in options.write)
    wanted = PackLimits(
        apart=held.apart if options.apart is None else options.apart,
        network=held.network if options.network is None else options.network,
        writes=(*(() if options.no_write else held.writes), *more),
    )
    fault = fault_of(more, workspace.user)
    if fault:
        raise Refused(fault)
    if wanted != held:
        config.limits.put(name, replace(wanted, writes=tuple(dict.fromkeys(wanted.writes))))
    where = "in a process of its own" if wanted.apart else "with the others"
    also = f", may write {', '.join(map(str, wanted.writes))}" if wanted.writes else ""
    print(f"{name}: runs {where}, {'may use' if wanted.network else 'is refused'} the network{also}.")


def added(source: str, workspace: Workspace, fits: Callable[[Path], bool] = lambda _found: True) -> Path:
    """A copy of a pack in the workspace: of a folder, a zip file, or what lies at an address.

    Args:
        fits: asked of the pack before it is copied; False: it is not.

    Raises:
        Refused: it is no pack, or one of its name is there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = _fetched(source, Path(scratch))
        goal = workspace.root / "custom_nodes" / found.name
        if goal.exists() or goal.with_name(goal.name + DISABLED).exists():
            raise Refused(f"There is a pack {found.name} already. Remove it first.")
        if not (found.is_file() and found.suffix == ".py") and not (found / "__init__.py").is_file():
            raise Refused(f"{source} is no pack: it has no __init__.py.")
        if not fits(found):
            return goal
        if found.is_dir():
            shutil.copytree(found, goal, symlinks=True)
        else:
            shutil.copyfile(found, goal)
    return goal


def switched(path: Path, *, on: bool) -> Path:
    """A pack under the name that lets it be loaded, or not."""
    bare = path.with_name(path.name.removesuffix(DISABLED))
    return path.rename(bare if on else bare.with_name(bare.name + DISABLED))


def removed(path: Path, workspace: Workspace) -> Path:
    """Take a pack away; it is kept until another of its name is removed."""
    goal = workspace.user / REMOVED / path.name.removesuffix(DISABLED)
    if goal.is_dir():
        shutil.rmtree(goal)
    goal.unlink(missing_ok=True) if goal.is_file() else None
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, goal)
    put_aside(workspace, pack_name(goal), goal.parent)
    return goal


def restored(name: str, workspace: Workspace) -> Path:
    """Bring a removed pack back, with what is known of where it came from.

    Raises:
        Refused: none of that name was removed, or there is another by now.
    """
    kept = packs_in((workspace.user / REMOVED,))
    if name not in kept:
        raise Refused(f"No pack {name!r} was removed. There are: {', '.join(kept) or 'none'}.")
    goal = workspace.root / "custom_nodes" / kept[name].name
    if goal.exists():
        raise Refused(f"There is another pack {name} by now. Remove it first.")
    shutil.move(kept[name], goal)
    taken_back(workspace, pack_name(goal), kept[name].parent)
    return goal


def _fetched(source: str, scratch: Path) -> Path:
    """The pack as a folder or file on this machine."""
    local = Path(source).expanduser()
    if local.is_file() and local.suffix == ".zip":
        return _unpacked(local, scratch)
    if local.exists():
        return local.resolve()
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https", "ssh", "git", "file"):
        raise Refused(f"{source} is neither a file, nor a folder, nor an address.")
    name = PurePosixPath(parts.path).name
    if name.endswith(".zip"):
        from urllib.request import urlopen

        with urlopen(source, timeout=60) as answer, (scratch / name).open("wb") as file:  # noqa: S310 - checked above
            shutil.copyfileobj(answer, file)
        return _unpacked(scratch / name, scratch)
    git = shutil.which("git")
    if git is None:
        raise Refused("There is no git on this machine: install it, or give the address of a zip file.")
    goal = scratch / name.removesuffix(".git")
    subprocess.run([git, "clone", "--depth", "1", "--", source, str(goal)], check=True)
    return goal


def _unpacked(file: Path, scratch: Path) -> Path:
    """The one folder in a zip file; of several files at its top, a folder of the file's name.

    Raises:
        Refused: a name in it leads elsewhere.
    """
    inside = scratch / "unpacked" / file.stem
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
                raise Refused(f"{file.name} holds a name that leads out of it: {entry.filename}.")
        archive.extractall(inside)
    top = list(inside.iterdir())
    return top[0] if len(top) == 1 and top[0].is_dir() else inside


async def _list(config: Config) -> int:
    """How each pack fared; the exit status says whether all loaded."""
    backend = build_backend(config)
    await backend.start()
    try:
        reports = await backend.packs()
    except BackendLost as error:
        print(error, file=sys.stderr)
        return FAILURE
    finally:
        await backend.close()
    for report in reports:
        _tell(report)
    workspace = build_workspace(config.workspace, config.packs, config.elsewhere)
    for name, path in packs_in(workspace.pack_folders).items():
        if path.name.endswith(DISABLED):
            print(f"{name}: disabled ({path})")
    if not reports:
        print(f"No packs in {config.workspace / 'custom_nodes'}.")
    return SUCCESS if all(report.ok or not report.trusted for report in reports) else FAILURE


def _tell(report: PackReport) -> None:
    version = f" {report.version}" if report.version else ""
    from_where = origin(Path(report.path))
    place = f"({report.path}{', from ' + from_where if from_where else ''})"
    if report.ok:
        print(f"{report.name}{version}: {len(report.nodes)} nodes in {report.seconds:.1f} s {place}")
    elif report.error:
        word = "FAILED" if report.trusted else "NOT TRUSTED"
        print(f"{report.name}{version}: {word}: {report.error.message} {report.error.hint} {place}")
    if report.missing:
        print(f"    is not installed: {', '.join(report.missing)}")
    if report.conflicts:
        print(f"    wants another version: {', '.join(report.conflicts)}")
    for kind, deeds in report.deeds.items():
        print(f"    {TOLD.get(kind, kind)}: {'; '.join(deeds)}")
    for line in report.unenforced:
        print(f"    cannot be enforced here: {line}")


def _first(path: Path) -> str:
    named = ("prestartup_script.py", "__init__.py", "install.py")
    return ", ".join(str(path / name) for name in named if (path / name).is_file()) or str(path)
