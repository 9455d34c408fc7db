"""Where files live: models, input, output, temp, user data. The one place that turns names into paths.

Names come from workflows, uploads and other machines, so none may leave its folder: no `..`, no absolute path, no drive
letter, no NUL. Links: model folders follow them (people keep models on other disks); in the folders that HTTP serves
and writes, a link that leads out is refused.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodes.spec import NodeError, Place, SaveSlot
from server.listed import LISTED
from server.naming import filled, is_free, next_counter, nobody, take

MODEL_SUFFIXES = frozenset({".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pt2", ".bin", ".pth", ".pkl"})
RESULTS = "results"  # folder of kept results among the user data
MODEL_INDEX = "model_index.json"  # what makes a folder a diffusers model
LONGEST_PART = 230  # bytes; file systems stop at 255, and a counter and suffixes are added

# Folder keys as workflows and packs name them, and their folders under models/. The first is made; the others are
# older names, read where they exist.
MODEL_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",),
    "configs": ("configs",),
    "loras": ("loras",),
    "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("diffusion_models", "unet"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "embeddings": ("embeddings",),
    "diffusers": ("diffusers",),
    "vae_approx": ("vae_approx",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",),
    "upscale_models": ("upscale_models",),
    "latent_upscale_models": ("latent_upscale_models",),
    "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",),
    "classifiers": ("classifiers",),
    "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
    "ipadapter": ("ipadapter",),
    "geometry_estimation": ("geometry_estimation",),
    "detection": ("detection",),
}
OLDER_KEYS: Mapping[str, str] = {"unet": "diffusion_models", "clip": "text_encoders"}
SUFFIXES: Mapping[str, frozenset[str]] = {"configs": frozenset({".yaml"}), "diffusers": frozenset()}
INPUT_FOLDERS = "input_folders"  # the key of the folders in that of inputs, which hold sets of pictures
MAY_BE_FOLDERS = frozenset({"checkpoints", "diffusers", "vae"})

_ANNOTATED = re.compile(r"^(?P<name>.*?)\s*\[(?P<place>input|output|temp)\]$", re.DOTALL)
_DRIVE = re.compile(r"^[A-Za-z]:")
_DEVICE = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


class NameRefused(NodeError):
    """A name that would leave its folder, or that no file can have."""

    def __init__(self, name: str, why: str) -> None:
        shown = name if len(name) <= 100 else name[:100] + "..."
        super().__init__(
            f"The name {shown!r} is not allowed: {why}.", "Use a plain name, with / between folders."
        )


class FileMissing(NodeError):
    """There is no file of that name."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(
            f"There is no file {name!r} in {folder}.",
            "Put it there and refresh the lists, or choose another one on the node.",
        )


def inside(root: Path, name: str, *, follow_links: bool = False) -> Path:
    """The path of `name` under `root`; it need not exist.

    Args:
        name: with / (or, from Windows, backslashes) between folders; "" is the root itself.
        follow_links: allow links that lead out of the root.

    Raises:
        NameRefused: the name leads out of the root, or no file can be called so.
    """
    path = root.joinpath(*_parts(name))
    if follow_links:
        return path
    try:
        stays = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # links that lead to each other
        raise NameRefused(name, "a link in it leads nowhere") from error
    if not stays:
        raise NameRefused(name, "a link leads out of its folder")
    return path


def split_annotation(name: str) -> tuple[str, Place | None]:
    """The name without a trailing ` [input]`, ` [output]` or ` [temp]`, and the place that said; None if there is none."""
    found = _ANNOTATED.match(name)
    return (found["name"], Place(found["place"])) if found else (name, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What a person keeps outside the workspace's root.

    Attributes:
        models, input, output, temp, user: these folders; None if they lie in the root.
        first_models, more_models: further folders by folder key, searched before and after those of the workspace.
    """

    models: Path | None = None
    input: Path | None = None
    output: Path | None = None
    temp: Path | None = None
    user: Path | None = None
    first_models: Mapping[str, tuple[Path, ...]] = field(default_factory=dict[str, tuple[Path, ...]])
    more_models: Mapping[str, tuple[Path, ...]] = field(default_factory=dict[str, tuple[Path, ...]])


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder of a person's work; made on first use. Implements `nodes.spec.Files`.

    Attributes:
        root: holds models/, input/, output/, temp/, user/, custom_nodes/.
        more_packs: further folders of community packs.
        elsewhere: what lies outside the root.
        shipped: models that come with Weft, by folder key and name; listed first.
    """

    root: Path
    more_packs: tuple[Path, ...] = ()
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    shipped: Mapping[str, Mapping[str, Path]] = field(default_factory=dict[str, Mapping[str, Path]])

    def __post_init__(self) -> None:
        for place in Place:
            self.place(place).mkdir(parents=True, exist_ok=True)
        for folders in MODEL_FOLDERS.values():
            (self.models / folders[0]).mkdir(parents=True, exist_ok=True)
        self.user.mkdir(parents=True, exist_ok=True)
        (self.root / "custom_nodes").mkdir(parents=True, exist_ok=True)

    # --- folders ----------------------------------------------------------------------------------------------------

    @property
    def models(self) -> Path:
        """The folder of all model folders."""
        return self.elsewhere.models or self.root / "models"

    @property
    def user(self) -> Path:
        """The folder of the database and of everybody's settings and own files."""
        return self.elsewhere.user or self.root / "user"

    @property
    def saves(self) -> Path:
        """The journal of names that saves took."""
        return self.user / "saves.jsonl"

    @property
    def results(self) -> Path:
        """The folder of kept results."""
        return self.user / RESULTS

    @property
    def pack_folders(self) -> tuple[Path, ...]:
        """Where community packs lie, each once."""
        folders = (self.root / "custom_nodes", *self.more_packs)
        return tuple({folder.resolve(): folder for folder in folders}.values())

    def place(self, place: Place) -> Path:
        """The folder of a place of pictures."""
        elsewhere = {
            Place.INPUT: self.elsewhere.input,
            Place.OUTPUT: self.elsewhere.output,
            Place.TEMP: self.elsewhere.temp,
        }
        return elsewhere[place] or self.root / place.value

    def folders(self) -> Mapping[str, tuple[Path, ...]]:
        """Every folder key of models and the folders it stands for; older ones only where they exist."""
        first, more = self.elsewhere.first_models, self.elsewhere.more_models
        found: dict[str, tuple[Path, ...]] = {}
        for key in dict.fromkeys((*MODEL_FOLDERS, *first, *more)):
            own = tuple(self.models / name for name in MODEL_FOLDERS.get(key, ()))
            older = tuple(path for path in own[1:] if path.is_dir())
            found[key] = (*first.get(key, ()), *own[:1], *older, *more.get(key, ()))
        return found

    def clear_temp(self) -> None:
        """Empty the temporary folder; what is still open stays."""
        shutil.rmtree(self.place(Place.TEMP), ignore_errors=True)
        self.place(Place.TEMP).mkdir(parents=True, exist_ok=True)

    def user_file(self, name: str, user: str = "default") -> Path:
        """A file of a user's own data (workflows, settings); it need not exist.

        Raises:
            NameRefused: it would lie outside.
        """
        if len(_parts(user)) != 1:
            raise NameRefused(user, "it is not a user's name")
        return inside(self.user, "/".join((user, *_parts(name))))

    def resolve(self, place: Place, subfolder: str, filename: str) -> Path:
        """The path of a picture as `/view` and uploads name it; it need not exist.

        Raises:
            NameRefused: it would lie outside the place's folder.
        """
        if not _parts(filename):
            raise NameRefused(filename, "it is empty")
        return inside(self.place(place), "/".join((*_parts(subfolder), *_parts(filename))))

    # --- what nodes ask: nodes.spec.Files ---------------------------------------------------------------------------

    def choices(self, folder: str) -> Sequence[str]:
        """The files of a folder key, sorted, with / between folders; what is shipped comes first.

        An unknown key has none.
        """
        key = OLDER_KEYS.get(folder, folder)
        if folder == INPUT_FOLDERS:
            return sorted(path.name for path in _folders_in(self.place(Place.INPUT)))
        if folder in LISTED:
            place, suffixes = LISTED[folder]
            return sorted(_walk(self.place(place), suffixes, folders_too=False))
        found: set[str] = set()
        for root in self.folders().get(key, ()):
            found.update(_walk(root, SUFFIXES.get(key, MODEL_SUFFIXES), folders_too=key in MAY_BE_FOLDERS))
        first = self.shipped.get(key, {})
        return (*first, *sorted(found - first.keys(), key=lambda name: (name.lower(), name)))

    def find(self, folder: str, name: str) -> Path:
        """The file, or diffusers folder, behind a listed name.

        Raises:
            NodeError: there is none; the message names the folder and what to do.
        """
        if folder in LISTED:
            return self._existing(LISTED[folder][0], name)
        key = OLDER_KEYS.get(folder, folder)
        shipped = self.shipped.get(key, {}).get(name)
        if shipped is not None:
            return shipped
        roots = self.folders().get(key, ())
        for root in roots:
            path = inside(root, name, follow_links=True)
            if _is_model(path, SUFFIXES.get(key, MODEL_SUFFIXES), folders_too=key in MAY_BE_FOLDERS):
                return path
        raise FileMissing(name, roots[0] if roots else self.models / key)

    def picture(self, name: str) -> Path:
        """An input picture; the name may end in ` [input]`, ` [output]` or ` [temp]`.

        Raises:
            NodeError: as for `find`.
        """
        plain, place = split_annotation(name)
        return self._existing(place or Place.INPUT, plain)

    def reserve(
        self,
        place: Place,
        prefix: str,
        suffix: str,
        *,
        width: int = 0,
        height: int = 0,
        end: str = "_",
        note: Callable[[SaveSlot], None] = nobody,
    ) -> SaveSlot:
        """The next free name `prefix_00001_` + suffix, taken at once so that nobody else gets it.

        Args:
            end: what stands between the number and the suffix.
            note: told the name before there is a file; again, if somebody else was quicker.

        Raises:
            NodeError: the prefix leads out of the folder, or the disk refuses.
        """
        parts = _parts(filled(prefix, width, height))
        named = parts[-1:] if parts and not prefix.endswith(("/", "\\")) else ()
        subfolder, stem = "/".join(parts[: len(parts) - len(named)]), "".join(named)
        folder = inside(self.place(place), subfolder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            counter = next_counter(folder, stem)
            while True:
                slot = self.slot(place, subfolder, f"{stem}_{counter:05}{end}{suffix}")
                if is_free(slot):
                    note(slot)
                    if take(slot):
                        return slot
                counter += 1
        except OSError as error:
            raise NodeError(
                f"Nothing can be written to {folder}: {error.strerror or error}.",
                "Free some space or check the folder's rights, then run again: only the save is repeated.",
            ) from error

    def overwrite(self, place: Place, name: str) -> SaveSlot:
        """As `nodes.spec.Files`; an older file is replaced when the new one is whole."""
        *folders, filename = _parts(name) or ("",)
        slot = self.slot(place, "/".join(folders), filename)
        try:
            slot.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NodeError(
                f"Nothing can be written to {slot.path.parent}: {error.strerror or error}.",
                "Free some space or check the folder's rights, then run again: only the save is repeated.",
            ) from error
        return slot

    def number(self, folder: Path, stem: str, free: int) -> int:  # noqa: ARG002
        """As for `nodes.spec.Files`, of somebody who runs once."""
        return free

    def slot(self, place: Place, subfolder: str, filename: str) -> SaveSlot:
        """A name that was taken before.

        Raises:
            NameRefused: it would lie outside the place's folder.
        """
        return SaveSlot(self.resolve(place, subfolder, filename), filename, subfolder, place)

    def _existing(self, place: Place, name: str) -> Path:
        path = self.resolve(place, "", name)
        if not path.is_file():
            raise FileMissing(name, self.place(place))
        return path


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the file in a name, checked."""
    if "\0" in name:
        raise NameRefused(name, "it holds a NUL")
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        raise NameRefused(name, "it is an absolute path")
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
    for part in parts:
        if part == ".." or (os.name == "nt" and part.strip(". ") == ""):
            raise NameRefused(name, "it leads out of its folder")
        if os.name == "nt" and (":" in part or _DEVICE.match(part)):
            raise NameRefused(name, "Windows gives it a meaning of its own")
        try:
            size = len(os.fsencode(part))
        except UnicodeEncodeError as error:
            raise NameRefused(name, "it holds characters that no file's name can") from error
        if size > LONGEST_PART:
            raise NameRefused(name, f"a part of it is longer than {LONGEST_PART} bytes")
    return parts


def _folders_in(root: Path) -> Iterator[Path]:
    """Those right below it that are not hidden."""
    inside = root.iterdir() if root.is_dir() else ()
    yield from (path for path in inside if path.is_dir() and not path.name.startswith("."))


def _walk(root: Path, suffixes: frozenset[str], *, folders_too: bool) -> Iterator[str]:
    """Names under the root; a diffusers folder is one entry and is not entered. Links are followed, each folder once."""
    seen: set[Path] = set()
    for at, folders, files in os.walk(root, followlinks=True):
        here = Path(at)
        if here.resolve() in seen:
            folders.clear()
            continue
        seen.add(here.resolve())
        relative = here.relative_to(root)
        if folders_too and here != root and MODEL_INDEX in files:
            folders.clear()
            yield relative.as_posix()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if Path(name).suffix.lower() in suffixes and "\\" not in name and not name.startswith("."):
                yield (relative / name).as_posix()


def _is_model(path: Path, suffixes: frozenset[str], *, folders_too: bool) -> bool:
    if folders_too and (path / MODEL_INDEX).is_file():
        return True
    return path.suffix.lower() in suffixes and path.is_file()


def suffixes(key: str) -> frozenset[str]:
    """Those of a folder's files; none, which is all files, for a key that only a person's own list of folders names."""
    return SUFFIXES.get(key, MODEL_SUFFIXES if key in MODEL_FOLDERS else frozenset())
