"""The options of commands that open a workspace, and of the server.

Names and values are those of ComfyUI's command line where it has the same, so that a script which starts its `main.py` can
start `weft`. What means nothing here stands in `meaningless.py`.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from server.memory import GIGABYTE
from server.trust import ALL

EVERYWHERE = "0.0.0.0,::"  # what `--listen` without an address means
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


PRECISIONS: Mapping[str, Mapping[str, str]] = {
    "network_dtype": {
        "--force-fp32": "float32",
        "--force-fp16": "float16",
        "--fp64-unet": "float64",
        "--fp32-unet": "float32",
        "--bf16-unet": "bfloat16",
        "--fp16-unet": "float16",
    },
    "vae_dtype": {"--fp32-vae": "float32", "--bf16-vae": "bfloat16", "--fp16-vae": "float16"},
    "stored": {"--fp8_e4m3fn-unet": "float8_e4m3fn", "--fp8_e5m2-unet": "float8_e5m2"},
    "text_dtype": {"--fp32-text-enc": "float32", "--bf16-text-enc": "bfloat16", "--fp16-text-enc": "float16"},
}


class _Base(argparse.Action):
    """The workspace, named in a way that trusts it."""

    def __call__(
        self, _parser: object, namespace: argparse.Namespace, values: object, *_option: object
    ) -> None:
        namespace.workspace = namespace.base_directory = values


def add_home(parser: argparse.ArgumentParser, workspace: Path) -> "argparse._ArgumentGroup":
    """Where the workspace is, and what a person keeps in it; in a group that may take more."""
    group = parser.add_argument_group("folders")
    group.add_argument(
        "--workspace",
        type=Path,
        default=workspace,
        metavar="DIR",
        help="where models, pictures and settings lie (default: %(default)s)",
    )
    group.add_argument(
        "--base-directory",
        type=Path,
        metavar="DIR",
        action=_Base,
        help="as --workspace; packs in it are trusted unasked",
    )
    group.add_argument(
        "--user-directory", type=Path, metavar="DIR", help="the folder of settings, queue and history"
    )
    return group


def add_folders(parser: argparse.ArgumentParser, workspace: Path) -> None:
    """Where things lie; for every command that runs nodes."""
    group = add_home(parser, workspace)
    for name, what in (("models", "models"), ("input", "pictures to load"), ("output", "saved pictures")):
        group.add_argument(
            f"--{name}-directory", type=Path, metavar="DIR", help=f"the folder of {what}, if not in the workspace"
        )  # fmt: skip
    group.add_argument(
        "--comfy-dir",
        type=Path,
        metavar="DIR",
        help="use the models, input, output, user and packs of an installation of ComfyUI where they are; its packs are "
        "trusted unasked",
    )
    group.add_argument(
        "--temp-directory", type=Path, metavar="DIR", help="previews go to DIR/temp, emptied at each start"
    )
    group.add_argument(
        "--extra-model-paths-config",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        metavar="FILE",
        help="YAML that names further folders of models and packs (extra_model_paths.yaml in the workspace is "
        "read unasked)",
    )
    group.add_argument(
        "--disable-all-custom-nodes",
        action="store_true",
        help="load no community packs, but those named next",
    )
    group.add_argument(
        *("--whitelist-custom-nodes",),
        nargs="+",
        default=[],
        metavar="PACK",
        help="packs to load all the same, and to trust unasked",
    )
    group.add_argument(
        "--trust-all",
        action="store_true",
        help=f"run every pack without asking, as {ALL}=1 in the environment",
    )
    group.add_argument(
        "--unguarded-packs",
        action="store_true",
        help="hold no pack to what it may write, read or reach; see the README of nodes/compat",
    )


def add_compute(parser: argparse.ArgumentParser) -> None:
    """How a worker computes."""
    group = parser.add_argument_group(
        "device and precision",
        "Precision of the networks: --fp16-unet, --bf16-unet, --fp32-unet, --fp64-unet, --fp8_e4m3fn-unet, "
        "--fp8_e5m2-unet, --force-fp16, --force-fp32; "
        "--fp16-vae, --bf16-vae, --fp32-vae; --fp16-text-enc, --bf16-text-enc, --fp32-text-enc.",
    )
    group.add_argument("--cpu", action="store_true", help="compute on the processor, card or not")
    group.add_argument("--cuda-device", metavar="ID", help="use this card (or these: 0,1) and see no other")
    group.add_argument(
        "--default-device", type=_count, metavar="ID", help="use this card; nodes of packs see the others too"
    )
    group.add_argument(
        "--reserve-vram", type=_gigabytes, metavar="GB", help="leave this much of the card to others"
    )
    group.add_argument(
        "--worker-memory",
        type=_gigabytes,
        metavar="GB",
        help="end a worker that holds more main memory than this (default: one that leaves the machine too little)",
    )
    _add_memory(group)
    for part, options in PRECISIONS.items():
        for option, dtype in options.items():
            group.add_argument(option, dest=part, action="store_const", const=dtype, help=argparse.SUPPRESS)
    group.add_argument(
        "--deterministic",
        action="store_true",
        help="let PyTorch choose kernels that repeat to the bit, if slower",
    )


def _add_memory(group: "argparse._ArgumentGroup") -> None:
    """How much of each kind of memory models may take, and when they leave the device."""
    for name, what in (
        ("--vram-budget", "the device's memory, for models and computing (with --cpu too)"),
        ("--ram-budget", "main memory, for models that are too large for the device"),
        ("--read-ahead", "main memory, for models that are read before they are asked for"),
    ):
        group.add_argument(name, type=_gigabytes, metavar="GB", help=f"use at most this much of {what}")
    modes = group.add_mutually_exclusive_group()
    for names, mode, what in (
        (("--highvram", "--gpu-only"), "highvram", "keep models whole on the device, or fail"),
        (("--normalvram",), "auto", argparse.SUPPRESS),
        (("--lowvram",), "lowvram", "let blocks of networks come to the device as they are asked"),
        (("--novram",), "novram", "and let none of them stay there"),
    ):
        modes.add_argument(
            *names, dest="memory_mode", action="store_const", const=mode, default="auto", help=what
        )
    group.add_argument(
        "--disable-pinned-memory", dest="pinned", action="store_false", help="lock no main memory for a card"
    )


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Which results of finished nodes are kept; all but the last are spelled as in the field."""
    memory = parser.add_argument_group(
        "results of finished nodes",
        "By default those that cost most for their size stay in a quarter of the memory.",
    ).add_mutually_exclusive_group()
    memory.add_argument(
        "--cache-classic", action="store_true", help="in memory: those that the last workflow used"
    )
    memory.add_argument(
        "--cache-lru", type=_count, metavar="N", help="in memory: N of them, those of the last workflows"
    )
    memory.add_argument(
        "--cache-none", action="store_true", help="none, nor on disk unless --cache-disk says so"
    )
    memory.add_argument(
        "--cache-ram",
        type=_gigabytes,
        nargs="*",
        metavar="GB",
        help="in memory: as many as leave so much of it free, while workflows run and (second number) between them",
    )
    parser.add_argument(
        "--cache-disk",
        type=_gigabytes,
        metavar="GB",
        help="on disk: so much of them, 0 for none (default: up to 10 GB, where there is room)",
    )


def add_metadata(parser: argparse.ArgumentParser) -> None:
    """What saved files carry."""
    parser.add_argument(
        "--disable-metadata",
        action="store_false",
        dest="metadata",
        help="write neither prompt nor workflow nor what made it into saved pictures",
    )


def add_network(parser: argparse.ArgumentParser) -> None:
    """Where to listen and whom to let in."""
    group = parser.add_argument_group("network")
    group.add_argument(
        *("--listen", "--host"),
        nargs="?",
        const=EVERYWHERE,
        default="127.0.0.1",
        metavar="IP[,IP]",
        help="addresses to listen on; without one, all of this machine's (default: %(default)s)",
    )
    group.add_argument("--port", type=_port, default=8188, help="port to listen on (default: %(default)s)")
    group.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which this server may be called, beside its address (repeat for more)",
    )
    token = group.add_mutually_exclusive_group()
    token.add_argument(
        "--no-token",
        action="store_false",
        dest="token",
        default=None,
        help="let in everybody who can reach it",
    )
    token.add_argument(
        "--require-token",
        action="store_true",
        dest="token",
        default=None,
        help="ask for a token on this machine too",
    )
    group.add_argument(
        "--multi-user", action="store_true", help="several people, each with their own files and settings"
    )
    group.add_argument(
        "--enable-cors-header",
        nargs="?",
        const="*",
        metavar="ORIGIN",
        help="let pages of this origin use the server; without one, every page that a browser here opens",
    )
    group.add_argument(
        "--max-upload-size", type=_size, default=100, metavar="MB", help="of one file (default: 100)"
    )
    group.add_argument("--tls-keyfile", type=Path, metavar="FILE", help="serve https; needs --tls-certfile")
    group.add_argument("--tls-certfile", type=Path, metavar="FILE", help="serve https; needs --tls-keyfile")
    group.add_argument(
        "--download-from", action="append", default=[], metavar="SITE",
        help="a site that models may be brought from when a person asks, beside huggingface.co, civitai.com, github.com "
        "and modelscope.cn; http://HOST:PORT for one of the inner network (repeat for more)",
    )  # fmt: skip
    group.add_argument("--no-downloads", action="store_true", help="bring no models, whoever asks")
    group.add_argument(
        "--enable-compress-response-body", action="store_true", help="gzip what browsers take so"
    )


def add_rest(parser: argparse.ArgumentParser) -> None:
    """The browser, previews, and what is said."""
    group = parser.add_argument_group("browser")
    group.add_argument(
        *("--no-browser", "--disable-auto-launch"), action="store_true", help="do not open a browser"
    )
    group.add_argument(
        *("--auto-launch", "--windows-standalone-build"),
        action="store_true",
        help="open one even where no screen is seen",
    )
    group.add_argument(
        "--front-end-root",
        type=_front_end,
        metavar="DIR",
        help="serve another built front end instead of ours",
    )
    group.add_argument(
        "--preview-method",
        choices=("none", "auto", "latent2rgb", "taesd"),
        help="whether and how jobs that do not say themselves show previews: by a linear map (latent2rgb), by a small "
        "decoder from models/vae_approx (taesd), or as fits (default: auto, to clients that say they understand them)",
    )
    group.add_argument(
        "--feature-flag", action="append", default=[], metavar="NAME[=VALUE]", help=argparse.SUPPRESS
    )
    group.add_argument(
        "--list-feature-flags", action="store_true", help="say what this server understands, and end"
    )
    said = parser.add_argument_group("what is said")
    said.add_argument("--verbose", nargs="*", metavar="LEVEL", type=_level, help=f"log: {', '.join(LEVELS)}")
    said.add_argument(
        "--log-stdout", action="store_true", help="log to standard output, not to standard error"
    )
    said.add_argument("--dont-print-server", action="store_true", help="log errors only")
    said.add_argument("--quick-test-for-ci", action="store_true", help="start, load all nodes, and end")


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port < 65536:
        raise argparse.ArgumentTypeError("a port lies between 0 and 65535")
    return port


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("it is a whole number, 0 or more")
    return int(text)


def _size(text: str) -> float:
    size = float(text)
    if not 0 <= size < 1e9:
        raise argparse.ArgumentTypeError("a size is a number of 0 or more")
    return size


def _gigabytes(text: str) -> int:
    """Bytes in so many gigabytes."""
    return int(_size(text) * GIGABYTE)


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise argparse.ArgumentTypeError(f"a level is one of {', '.join(LEVELS)}")
    return text.upper()


def _front_end(text: str) -> Path:
    folder = Path(text).expanduser().resolve()
    if not (folder / "index.html").is_file():
        raise argparse.ArgumentTypeError(
            f"there is no index.html in {folder}: name the folder of a built front end"
        )
    return folder
