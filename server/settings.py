"""From the command line's options to settings: what `Config` says in values, options say in words."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nodes.spec import Json
from server.config import MEGABYTE, Compute, Config, Tls, checkout_packs, web_folder
from server.extra_paths import PathsUnreadable, read_extra_paths
from server.pack_limits import FILE as LIMITS
from server.pack_limits import LimitsKept
from server.trust import ALL, Trust
from server.trust import FILE as TRUSTED
from server.worker.keeping import Keeping, Policy
from server.workspace import Elsewhere

EXAMPLE = "weft_example_pack"  # comes with Weft
UNASKED = "extra_model_paths.yaml"  # of the workspace; read without being named


class Unusable(Exception):
    """The options ask for what cannot be."""


def working(options: argparse.Namespace) -> Config:
    """What every command that opens a workspace needs: folders and the worker.

    Raises:
        Unusable: a file that an option names cannot be used.
    """
    workspace = _path(options.workspace)
    files = [_path(file) for group in options.extra_model_paths_config for file in group]
    theirs, named = _comfy(options), tuple(files)
    for unasked in (workspace / UNASKED, *([theirs["models"].parent / UNASKED] if theirs else [])):
        if unasked.is_file() and unasked not in files:
            files.insert(0, unasked)
    try:
        extra = read_extra_paths(files)
    except PathsUnreadable as error:
        raise Unusable(str(error)) from error
    for folder in extra.missing():
        print(f"weft: {folder} is not there; {', '.join(map(str, files))} names it.", file=sys.stderr)
    temp = options.temp_directory
    user = _maybe(options.user_directory) or theirs.get("user")
    return Config(
        workspace=workspace,
        elsewhere=Elsewhere(
            models=_maybe(options.models_directory) or theirs.get("models"),
            input=_maybe(options.input_directory) or theirs.get("input"),
            output=_maybe(options.output_directory) or theirs.get("output"),
            # It is emptied at every start, so it is a folder of ours inside the one that was named.
            temp=_path(temp) / "temp" if temp else None,
            user=user,
            first_models=extra.first,
            more_models=extra.models,
        ),
        packs=(*checkout_packs(), *([theirs["custom_nodes"]] if theirs else []), *extra.packs),
        only_packs=frozenset(options.whitelist_custom_nodes) if options.disable_all_custom_nodes else None,
        trust=_trust(options, workspace, user or workspace / "user", named),
        limits=LimitsKept((user or workspace / "user") / LIMITS),
        guarded=not options.unguarded_packs,
        compute=_compute(options),
        backend=options.backend,
        factory=options.factory,
    )


def _comfy(options: argparse.Namespace) -> Mapping[str, Path]:
    """Folders of an installation that the person named, by name; none if they named none.

    Raises:
        Unusable: it is no such installation.
    """
    if options.comfy_dir is None:
        return {}
    root = _path(options.comfy_dir)
    inside = root / "ComfyUI"  # as the portable one has it
    root = inside if not (root / "models").is_dir() and (inside / "models").is_dir() else root
    if not (root / "models").is_dir():
        raise Unusable(f"--comfy-dir {options.comfy_dir}: there is no folder `models` in it.")
    return {name: root / name for name in ("models", "input", "output", "user", "custom_nodes")}


def _trust(options: argparse.Namespace, workspace: Path, user: Path, files: Sequence[Path]) -> Trust:
    """Whose code runs unasked: what comes with Weft, and what the person who starts it has named."""
    named = [workspace / "custom_nodes"] if options.base_directory is not None else []
    named += [folder for key, folder in _comfy(options).items() if key == "custom_nodes"]
    return Trust(
        file=user / TRUSTED,
        everything=options.trust_all or os.environ.get(ALL) == "1",
        folders=(*(folder / EXAMPLE for folder in checkout_packs()), *read_extra_paths(files).packs, *named),
        names=frozenset(options.whitelist_custom_nodes),
    )


def running(options: argparse.Namespace) -> Config:
    """All that a run needs: what `working` says, and what becomes of results."""
    return replace(working(options), keeping=keeping(options), metadata=options.metadata)


def serving(options: argparse.Namespace) -> Config:
    """All settings of a server.

    Raises:
        Unusable: as `working` does, or options that do not go together.
    """
    if (options.tls_keyfile is None) != (options.tls_certfile is None):
        raise Unusable("--tls-keyfile and --tls-certfile belong together: give both for https, or none.")
    hosts = tuple(host.strip() for host in options.listen.split(",") if host.strip())
    if not hosts:
        raise Unusable("--listen names no address.")
    return replace(
        running(options),
        multi_user=options.multi_user,
        hosts=hosts,
        port=options.port,
        allow_hosts=tuple(options.allow_host),
        max_upload=round(options.max_upload_size * MEGABYTE),
        web=options.front_end_root or web_folder(),
        tls=Tls(_path(options.tls_certfile), _path(options.tls_keyfile)) if options.tls_keyfile else None,
        token=options.token,
        cors=options.enable_cors_header,
        compress=options.enable_compress_response_body,
        downloads=not options.no_downloads,
        download_from=tuple(options.download_from),
        previews=None if options.preview_method is None else options.preview_method != "none",
        preview_method="auto" if options.preview_method in (None, "none") else options.preview_method,
        features=features(options.feature_flag),
    )


def features(flags: list[str]) -> Mapping[str, Json]:
    """`NAME` and `NAME=VALUE` as features: a value is JSON or else text; a bare name is true."""
    found: dict[str, Json] = {}
    for flag in flags:
        name, given, value = flag.partition("=")
        try:
            found[name] = json.loads(value) if given else True
        except json.JSONDecodeError:
            found[name] = value
    return found


def log_as(options: argparse.Namespace) -> None:
    """What is logged, and where to: warnings on standard error, unless the options say otherwise."""
    levels = options.verbose
    # The field's scripts give a level for the console and one for a file; the console's comes first.
    level = "WARNING" if levels is None else (levels or ["DEBUG"])[0]
    if options.dont_print_server:
        level = "ERROR"
    stream = sys.stdout if options.log_stdout else sys.stderr
    logging.basicConfig(level=level, stream=stream, format="%(levelname)s %(name)s: %(message)s")


def keeping(options: argparse.Namespace) -> Keeping:
    """What the flags say of kept results."""
    disk = options.cache_disk
    if options.cache_classic:
        return Keeping(policy=Policy.CLASSIC, disk=disk)
    if options.cache_lru is not None and options.cache_lru > 0:
        return Keeping(policy=Policy.LRU, most=options.cache_lru, disk=disk)
    if options.cache_none:
        return Keeping(policy=Policy.NONE, disk=disk or 0)
    if options.cache_ram is not None:
        headroom, idle = (*options.cache_ram[:2], None, None)[:2]
        return Keeping(policy=Policy.RAM, headroom=headroom, idle_headroom=idle, disk=disk)
    return Keeping(disk=disk)


def _compute(options: argparse.Namespace) -> Compute:
    return Compute(
        cpu=options.cpu,
        visible=options.cuda_device,
        card=options.default_device,
        network_dtype=options.network_dtype,
        vae_dtype=options.vae_dtype,
        text_dtype=options.text_dtype,
        reserve=options.reserve_vram,
        memory=options.worker_memory,
        deterministic=options.deterministic,
        budget=options.vram_budget,
        waiting=options.ram_budget,
        reading=options.read_ahead,
        mode=options.memory_mode,
        pinned=options.pinned,
        stored=options.stored,
    )


def _maybe(path: Path | None) -> Path | None:
    return None if path is None else _path(path)


def _path(path: Path) -> Path:
    return path.expanduser().resolve()
