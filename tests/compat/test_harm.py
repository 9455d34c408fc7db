"""Packs that would do harm: what they must not do does not happen, what they may do is told."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nodes.compat import kernel
from tests.serving import Server, serving

FACTORY = "tests.server.small_nodes:build_with_packs"
TRIES = """
import ctypes, os, shutil, signal, socket, sqlite3, subprocess, sys, threading, time
from pathlib import Path
import folder_paths as places
OUT, USER, MODELS = (Path(place) for place in (
    places.get_output_directory(), places.get_user_directory(), places.models_dir))
HOME = Path(places.base_path).parent / "home"
OWN = Path(__file__).parent

def fork():
    child = os.fork()
    if child == 0:
        try:
            (OUT / "old.png").unlink()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

def linked():
    if not (OWN / "link").is_symlink():
        (OWN / "link").symlink_to(HOME)
    return OWN / "link" / "x"

def alone():
    return OWN.name == "apart"  # elsewhere nothing holds compiled code back here, as the README says

def hard_link():
    os.link(OUT / "old.png", TEMP / f"hard {time.time()}")

def by_address():
    sqlite3.connect(f"file:{USER}/x.db", uri=True)

def attached():
    sqlite3.connect(":memory:").execute(f"attach '{USER}/x.db' as x")

def weights():
    import torch
    torch.save({}, str(MODELS / "checkpoints" / "x"))

def safe_weights():
    import safetensors.torch, torch
    safetensors.torch.save_file({"a": torch.zeros(1)}, MODELS / "checkpoints" / "x")

def film():
    import av
    av.open(str(OUT / "old.png"), "w", format="mp4").close()

def below(folder, *flags):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.close(os.open("old.png", *flags, dir_fd=handle))
    finally:
        os.close(handle)

def unlink_below(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.unlink("old.png", dir_fd=handle)
    finally:
        os.close(handle)

libc = ctypes.CDLL(None)
TEMP = Path(places.get_temp_directory())
TEMP.mkdir(exist_ok=True)

def thread(work, *given):
    started = threading.Thread(target=work, args=given)
    started.start(), started.join()

TRIES = {
    "empty output": lambda: shutil.rmtree(OUT),
    "remove output": lambda: (OUT / "old.png").unlink(),
    "empty a file": lambda: (OUT / "old.png").write_text(""),
    "rename output": lambda: (OUT / "old.png").rename(OUT / "other.png"),
    "rename all": lambda: OUT.rename(OUT.with_name("gone")),
    "remove the workspace": lambda: shutil.rmtree(places.base_path),
    "write home": lambda: (HOME / "x").write_text("x"),
    "link home": lambda: linked().write_text("x"),
    "folder at home": lambda: (HOME / "folder").mkdir(),
    "write user": lambda: (USER / "x").write_text("x"),
    "database in user": lambda: sqlite3.connect(USER / "x.db"),
    "write models": lambda: (MODELS / "checkpoints" / "x").write_text("x"),
    "write another pack": lambda: (OWN.parent / "calm" / "__init__.py").write_text("x"),
    "hard link": hard_link,
    "move": lambda: shutil.move(OUT / "old.png", TEMP / "moved"),
    "truncate": lambda: os.truncate(OUT / "old.png", 0),
    "open to change": lambda: open(OUT / "old.png", "r+").close(),
    "open below a handle": lambda: below(OUT, os.O_RDWR | os.O_TRUNC),
    "remove below a handle": lambda: unlink_below(OUT),
    "database by address": by_address,
    "weights": weights,
    "weights by safetensors": safe_weights,
    "film": film,
    "attach a database": attached,
    "end the server": lambda: os.kill(os.getppid(), signal.SIGCONT),
    "become a program": lambda: os.execv("/bin/rm", ["rm", "-f", str(OUT / "old.png")]),
    "by a thread": lambda: thread(shutil.rmtree, OUT),
    "by a program": lambda: subprocess.run(["rm", "-rf", str(OUT)], check=True),
    "by a shell": lambda: os.system(f"rm -rf '{OUT}'; echo x > '{USER}/x'; echo x > '{HOME}/x'"),
    "by a fork": fork,
    "by compiled code": lambda: os.strerror(ctypes.CDLL(None).creat(os.fsencode(HOME / "x"), 0o600) + 1),
    "compiled read": lambda: libc.open(os.fsencode(HOME / ".ssh" / "id"), 0),
    "compiled write to user": lambda: alone() and libc.creat(os.fsencode(places.base_path) + b"/user/x", 0o600),
    "compiled removal": lambda: alone() and libc.unlink(os.fsencode(OUT / "old.png")),
    "compiled socket": lambda: libc.socket(2, 1, 0),
    "compiled fork": lambda: alone() and libc.fork(),
    "read ssh": lambda: (HOME / ".ssh" / "id").read_text(),
    "list ssh": lambda: list((HOME / ".ssh").iterdir()),
    "socket": lambda: socket.create_connection(("127.0.0.1", 9), 1),
    "listen": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "own folder": lambda: (OWN / "settings.json").write_text("{}"),
    "new output": lambda: (OUT / f"new {time.time()}.png").write_text("x"),
    "given folder": lambda: (HOME / "given" / "x").write_text("x"),
    "folder of models": lambda: (MODELS / "own").mkdir(exist_ok=True),
    "temporary": lambda: (Path(places.get_temp_directory()) / "x").write_text("x"),
    "program": lambda: subprocess.run(["true"], check=True),
}

def tried():
    found = {}
    for name, attempt in TRIES.items():
        try:
            given = attempt()
            found[name] = f"done {given}" if name.startswith("compiled") else "done"
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found

"""
PACK = """
import json
import os
import folder_paths
import torch
from server import PromptServer, web
from .tries import OUT, OWN, tried

AT_IMPORT = tried()
(OWN / "import.json").write_text(json.dumps(AT_IMPORT))

@PromptServer.instance.routes.post("/prompt")
async def prompt(request):
    return web.json_response("taken over")

@PromptServer.instance.routes.get(f"/{OWN.name}/fine")
async def fine(request):
    return web.json_response("fine")

class Harm:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"kind": ("STRING", {})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "go", "harm", True
    IS_CHANGED = classmethod(lambda cls, **_: float("nan"))
    def go(self, kind):
        if kind == "own":  # what it makes in this job is its own until the job is over
            (OUT / "mine.png").write_text("x")
            (OUT / "mine.png").write_text("more")
            (OUT / "mine.png").rename(OUT / "kept.png")
            return {"ui": {"text": ["fine"]}}
        if kind == "replace":
            torch.load = lambda *given, before=torch.load, **named: before(*given, **named)
            os.listdir = lambda *given, before=os.listdir: before(*given)
            return {"ui": {"text": ["fine"]}}
        if kind == "later":
            (OUT / "kept.png").unlink()
        return {"ui": {"text": [json.dumps(tried())]}}

class Thing:
    def __init__(self, image):
        self.image = image

class Make:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"size": ("INT", {})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("THING", "IMAGE"), "go", "harm"
    def go(self, size):
        image = torch.arange(size * size * 3.0).reshape(1, size, size, 3)
        return Thing(image), image

class Use:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"thing": ("THING",), "image": ("IMAGE",)}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "go", "harm", True
    def go(self, thing, image):
        same = isinstance(thing, Thing) and torch.equal(thing.image, image)
        return {"ui": {"text": [f"{same} {os.getpid()}"]}}

NODE_CLASS_MAPPINGS = {OWN.name: Harm, "Say": Harm, f"{OWN.name} makes": Make, f"{OWN.name} uses": Use}
"""
CALM = """
class Calm:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "go", "harm", True
    def go(self):
        return {"ui": {"text": ["calm"]}}
NODE_CLASS_MAPPINGS = {"Calm": Calm}
"""
LINKED = """
from pathlib import Path
Path(__file__).with_name("note").write_text("mine")
NODE_CLASS_MAPPINGS = {}
"""
WRITES = [
    *("empty output", "remove output", "empty a file", "rename output", "rename all", "remove the workspace"),
    *("write home", "link home", "folder at home", "write user", "database in user", "write models"),
    *("write another pack", "hard link", "move", "truncate", "open to change", "remove below a handle"),
    *("database by address", "weights", "weights by safetensors", "film"),
]
ALLOWED = ["own folder", "new output", "folder of models", "temporary"]
REPORTED = {
    "read ssh": ("reads", ".ssh/id"),
    "list ssh": ("reads", ".ssh"),
    "socket": ("network", "connect 127.0.0.1 9"),
    "listen": ("network", "bind 127.0.0.1 0"),
    "program": ("programs", "true"),
}


class World:
    """A workspace and a home beside it, packs that try everything, each with other limits, and a server."""

    LIMITS: Mapping[str, Any] = {
        "harm": {},
        "offline": {"network": False, "writes": ["home/given"]},
        "apart": {"apart": True, "network": False},
    }

    def __init__(self, root: Path) -> None:
        self.root, self.work = root, root / "work"
        (root / "home" / "given").mkdir(parents=True)
        limits = {name: dict(each) for name, each in self.LIMITS.items()}
        limits["offline"]["writes"] = [str(root / "home" / "given")]
        files = {
            "work/custom_nodes/calm/__init__.py": CALM,
            "elsewhere/linked/__init__.py": LINKED,
            "work/output/old.png": "old",
            "work/user/pack_limits.json": json.dumps(limits),
            "home/.ssh/id": "secret",
        }
        for name in limits:
            files[f"work/custom_nodes/{name}/__init__.py"] = PACK
            files[f"work/custom_nodes/{name}/tries.py"] = TRIES
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        (root / "work" / "custom_nodes" / "linked").symlink_to(root / "elsewhere" / "linked")

    def open(self, server: Server) -> "World":
        """Let every pack try everything in a job."""
        self.server = server
        server.get("/object_info", timeout=240)  # all packs are there
        self.tried = {name: json.loads(self.go(name)["text"][0]) for name in self.LIMITS}
        self.at_import = {
            name: json.loads((self.work / "custom_nodes" / name / "import.json").read_text())
            for name in self.LIMITS
        }
        return self

    def go(self, pack: str, kind: str = "all") -> Mapping[str, Any]:
        entry = self.server.run({"1": {"class_type": pack, "inputs": {"kind": kind}}})
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
        return entry["outputs"]["1"]

    def report(self, pack: str) -> Mapping[str, Any]:
        return next(one for one in self.server.get("/api/weft/packs") if one["name"] == pack)

    def unharmed(self) -> bool:
        """Nothing lies where nothing may, and all is there that was."""
        home = self.root / "home"
        kept = {path.relative_to(home).as_posix() for path in home.rglob("*")}
        return (
            kept - {"given/x"} == {".ssh", ".ssh/id", "given"}
            and (self.work / "output" / "old.png").read_text() == "old"
            and not [path for path in (self.work / "user").rglob("x*") if path.name in ("x", "x.db")]
            and not (self.work / "models" / "checkpoints" / "x").exists()
            and (self.work / "custom_nodes" / "calm" / "__init__.py").read_text() == CALM
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("harm"))
    with serving(made.work, "--factory", FACTORY) as server:
        yield made.open(server)
    shutil.rmtree(made.root, ignore_errors=True)


@pytest.mark.parametrize("name", WRITES)
def test_what_packs_may_not_change_stays_as_it_is(world: World, name: str):
    for found in (world.tried["harm"][name], world.at_import["harm"][name]):
        assert found.startswith("NotAllowed: [Errno 13] The pack harm may not do this"), found
        assert "weft packs limit harm --write" in found
    assert world.unharmed()
    assert world.report("harm")["deeds"]["refused"]


@pytest.mark.parametrize("pack", ["harm", "apart"])
def test_what_no_limit_allows_is_refused_too(world: World, pack: str):
    tried = world.tried[pack]
    assert "not authorized" in tried["attach a database"]
    assert tried["open below a handle"].startswith(("NotAllowed", "PermissionError"))
    for name in ("end the server", "become a program"):
        assert tried[name].startswith("NotAllowed: [Errno 13] The pack"), tried[name]
    assert world.unharmed()


def test_functions_that_a_node_replaces_while_it_runs_are_told_of(world: World):
    assert "replaced" not in world.report("harm")["deeds"]
    assert world.go("harm", "replace")["text"] == ["fine"]
    assert world.report("harm")["deeds"]["replaced"] == ["os.listdir", "torch.load"]


def test_a_pack_that_is_a_link_to_elsewhere_writes_its_own_folder(world: World):
    assert (world.root / "elsewhere" / "linked" / "note").read_text() == "mine"
    assert world.report("linked")["ok"], world.report("linked")


def test_threads_programs_forks_and_compiled_code_of_packs_are_held_too(world: World):
    tried = world.tried["harm"]
    assert {tried[name] for name in ("by a thread", "by a shell", "by a fork")} == {"done"}  # and in vain
    assert tried["by a program"].startswith("CalledProcessError")
    if kernel.version():
        assert world.unharmed()
        assert world.report("harm")["unenforced"] == []
    else:  # this system cannot hold programs and compiled code, and says so
        assert any("Landlock" in line for line in world.report("harm")["unenforced"])


@pytest.mark.parametrize("name", ALLOWED)
def test_what_packs_may_do_they_do(world: World, name: str):
    assert (world.tried["harm"][name], world.at_import["harm"][name]) == ("done", "done")


@pytest.mark.parametrize("name", REPORTED)
def test_reads_outside_programs_and_the_network_are_reported(world: World, name: str):
    kind, what = REPORTED[name]
    deeds = world.report("harm")["deeds"][kind]
    assert any(what in deed for deed in deeds), deeds


def test_a_file_is_its_packs_own_until_the_job_is_over(world: World):
    assert world.go("harm", "own")["text"] == ["fine"]
    failed = world.server.run({"1": {"class_type": "harm", "inputs": {"kind": "later"}}})
    assert failed["status"]["status_str"] == "error"
    assert (world.work / "output" / "kept.png").read_text() == "more"


def test_routes_and_nodes_of_wefts_own_are_refused_with_a_message(world: World):
    told = world.report("harm")
    assert "Weft itself answers POST /prompt" in told["error"]["message"]
    assert "Say: there is a built-in node of this name" in told["error"]["message"]
    assert (told["ok"], told["nodes"]) == (True, ["harm", "harm makes", "harm uses"])
    assert "route POST /prompt" in told["deeds"]["refused"]
    assert world.server.get("/harm/fine") == "fine"


@pytest.mark.parametrize("name", ["socket", "listen"])
def test_without_network_a_pack_opens_no_socket(world: World, name: str):
    assert world.tried["offline"][name].startswith("NotAllowed")
    assert "weft packs limit offline --network" in world.tried["offline"][name]
    assert world.report("offline")["network"] is False
    assert world.tried["harm"][name] == "done" or "refused" in world.tried["harm"][name]


def test_a_folder_that_a_person_allows_is_written(world: World):
    assert world.tried["offline"]["given folder"] == "done"
    assert world.tried["harm"]["given folder"].startswith("NotAllowed")


@pytest.mark.parametrize("name", ["read ssh", "list ssh", "socket", "listen", "program", "by a program"])
def test_in_a_process_of_its_own_a_pack_reads_the_workspace_alone_and_starts_nothing(world: World, name: str):
    for found in (world.tried["apart"][name], world.at_import["apart"][name]):
        assert found.startswith("NotAllowed: [Errno 13] The pack apart may not do this"), found
    told = world.report("apart")
    assert (told["apart"], told["nodes"][0]) == (True, "apart")
    assert world.unharmed()


def test_in_a_process_of_its_own_the_kernel_holds_compiled_code(world: World):
    if not kernel.version() or not kernel.filters():
        assert world.report("apart")["unenforced"]  # this system cannot, and says so
        return
    for name in (
        "compiled read",
        "compiled write to user",
        "compiled removal",
        "compiled socket",
        "compiled fork",
    ):
        assert world.tried["apart"][name] == "done -1", world.tried["apart"][name]
    assert world.tried["harm"]["compiled read"] != "done -1"


@pytest.mark.parametrize("name", WRITES)
def test_in_a_process_of_its_own_a_pack_changes_nothing_else_either(world: World, name: str):
    assert world.tried["apart"][name].startswith("NotAllowed")


def test_values_and_objects_of_a_packs_own_reach_its_process_and_come_back(world: World):
    where: list[str] = []
    for pack in ("apart", "harm"):
        entry = world.server.run(
            {
                "1": {"class_type": f"{pack} makes", "inputs": {"size": 3}},
                "2": {"class_type": f"{pack} uses", "inputs": {"thing": ["1", 0], "image": ["1", 1]}},
            }
        )
        same, _, process = entry["outputs"]["2"]["text"][0].partition(" ")
        assert same == "True", entry
        where.append(process)
    assert where[0] != where[1]  # and they did run in different processes
