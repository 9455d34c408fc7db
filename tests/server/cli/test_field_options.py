"""What the field's scripts start a server with: it works, or a line says why it does nothing."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from server.cli import _parser, main
from server.config import SHIPPED
from server.meaningless import MEANINGLESS, Takes
from server.settings import Unusable, working
from tests.server.small_nodes import FACTORY
from tests.serving import serving

ROOT = Path(__file__).parents[3]
PACKS = ("--factory", "tests.server.small_nodes:build_with_packs")
# What the field's server knows: HOST_API.md, section 14.
KNOWN = """
listen port max_upload_size preview_method preview_size vram_headroom default_hashing_function fast
whitelist_custom_nodes verbose front_end_version comfy_api_base database_url feature_flag tls_keyfile tls_certfile
enable_cors_header base_directory models_directory extra_model_paths_config output_directory temp_directory
input_directory user_directory cuda_device default_device directml oneapi_device_selector reserve_vram async_offload
front_end_root auto_launch disable_auto_launch cuda_malloc disable_cuda_malloc force_fp32 force_fp16 fp32_unet fp64_unet
bf16_unet fp16_unet fp8_e4m3fn_unet fp8_e5m2_unet fp8_e8m0fnu_unet fp16_vae fp32_vae bf16_vae cpu_vae
fp8_e4m3fn_text_enc fp8_e5m2_text_enc fp16_text_enc fp32_text_enc bf16_text_enc fp16_intermediates force_channels_last
supports_fp8_compute enable_triton_backend disable_triton_backend high_ram use_split_cross_attention
use_quad_cross_attention use_pytorch_cross_attention use_sage_attention use_flash_attention use_ck_attention
disable_xformers force_upcast_attention dont_upcast_attention enable_manager disable_manager_ui
enable_manager_legacy_ui gpu_only highvram lowvram novram cpu disable_nvml_pressure disable_async_offload
disable_dynamic_vram enable_dynamic_vram fast_disk disable_cuda_graphs force_non_blocking disable_smart_memory
deterministic debug_hang disable_pinned_memory mmap_torch_files disable_mmap dont_print_server quick_test_for_ci
windows_standalone_build disable_all_custom_nodes disable_api_nodes log_stdout enable_compress_response_body
enable_assets enable_asset_hashing list_feature_flags multi_user disable_metadata cache_classic cache_lru cache_none
cache_ram
""".split()


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", KNOWN)
def test_every_option_of_the_field_is_known(name, capsys):
    text = "".join(help_of(capsys, "serve").split())  # lines are broken inside options
    forms = {
        f"--{name.replace('_', '-')}",
        f"--{name.replace('_unet', '-unet').replace('_text_enc', '-text-enc')}",
    }
    hidden = {"--feature-flag"}
    assert any(form in text for form in forms) or forms & hidden


def given(name: str, takes: Takes) -> list[str]:
    return [f"--{name}", *(() if takes is Takes.NOTHING else ("1",))]


def test_what_means_nothing_here_says_so_in_a_line_each_and_the_start_goes_on(capsys):
    words = [word for entry in MEANINGLESS for name in entry.names for word in given(name, entry.takes)]
    assert main([*words, "--list-feature-flags"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["supports_preview_metadata"] is True
    lines = said.err.splitlines()
    assert len(lines) == sum(len(entry.names) for entry in MEANINGLESS)
    for line in lines:
        assert re.fullmatch(r"weft: --[a-z0-9_-]+ means nothing here: .+\.", line)


def test_what_means_something_is_not_called_meaningless(capsys):
    words = ["--cpu", "--fp16-vae", "--listen", "--windows-standalone-build", "--disable-auto-launch"]
    assert main([*words, "--list-feature-flags"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("--listn", "--listen"), ("--outputdirectory=x", "--output-directory"), ("--lowvrm", "--lowvram")],
)
def test_an_unknown_option_is_an_error_that_names_the_nearest(wrong, meant, capsys):
    with pytest.raises(SystemExit) as ended:
        main([wrong])
    assert ended.value.code == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "70000"],
        ["--front-end-root", "/nowhere"],
        ["--preview-method", "best"],
        ["--verbose", "LOUD"],
        ["--max-upload-size", "much"],
        ["--default-device", "-1"],
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_option(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tls-keyfile", "key.pem"], "--tls-certfile"),
        (["--listen", ","], "--listen"),
        (["--extra-model-paths-config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_options_that_cannot_be_are_said_in_words(words, said, tmp_path, capsys):
    assert main([*words, "--workspace", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_each_folder_can_be_elsewhere(tmp_path: Path):
    home, far = tmp_path / "base", tmp_path / "far"
    kept = far / "temp" / "kept.txt"  # of the folder that was named, beside the one that is emptied
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    (far / "models" / "loras").mkdir(parents=True)
    (far / "models" / "loras" / "far.safetensors").touch()
    words = [
        word for name in ("models", "input", "output", "temp", "user") for word in (f"--{name}-directory", str(far / name))
    ]  # fmt: skip
    with serving(home, "--factory", FACTORY, *words) as server:
        server.run({"1": {"class_type": "Save", "inputs": {"side": 4, "filename_prefix": "sub/x"}}})
        assert server.get("/models/loras") == [SHIPPED["loras"], "far.safetensors"]
        paths = server.get("/internal/folder_paths")
    assert paths["loras"] == [str(far / "models" / "loras")]
    assert (far / "output" / "sub" / "x_00001_.png").is_file()
    assert (far / "user" / "weft.db").is_file()
    assert (far / "temp" / "temp").is_dir()
    assert kept.read_text() == "mine"
    assert [path.name for path in home.iterdir()] == ["custom_nodes"]


def test_a_base_directory_of_the_field_is_a_workspace(tmp_path: Path):
    (tmp_path / "models" / "vae").mkdir(parents=True)
    (tmp_path / "models" / "vae" / "mine.safetensors").touch()
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "cat.png").touch()
    more = tmp_path.with_name("more")
    (more / "vae").mkdir(parents=True)
    (more / "vae" / "more.safetensors").touch()
    (tmp_path / "extra_model_paths.yaml").write_text("a:\n  base_path: ../more\n  vae: vae\n")
    with serving(tmp_path / "other", "--base-directory", str(tmp_path), "--factory", FACTORY) as server:
        assert server.get("/models/vae") == ["mine.safetensors", "more.safetensors"]
        assert server.get("/internal/files/input") == ["cat.png"]


def pack(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")


def test_packs_come_from_a_list_of_paths_and_can_be_left_out(tmp_path: Path):
    for name in ("one", "two", "three"):
        pack(tmp_path / "far" / "packs", name)
    config = tmp_path / "paths.yaml"
    config.write_text("all:\n  base_path: far\n  custom_nodes: packs\n")
    words = [*PACKS, "--extra-model-paths-config", str(config)]
    with serving(
        tmp_path / "home", *words, "--disable-all-custom-nodes", "--whitelist-custom-nodes", "two", "one"
    ) as server:
        assert {found["name"] for found in server.get("/api/weft/packs")} == {"one", "two"}


def test_a_quick_test_says_what_loads_and_ends(tmp_path: Path):
    (tmp_path / "custom_nodes").mkdir()
    (tmp_path / "custom_nodes" / "broken.py").write_text("import nothing_of_that_name\n")
    weft = start(tmp_path, "--quick-test-for-ci", *PACKS)
    out, err = weft.communicate(timeout=120)
    assert weft.returncode == 0, err
    assert re.search(r"^\d+ nodes are loaded\.$", out, re.MULTILINE)
    assert "The pack broken does not load: No module named 'nothing_of_that_name'" in err
    lost = start(tmp_path, "--quick-test-for-ci", "--factory", "tests.server.small_nodes:nothing")
    _, err = lost.communicate(timeout=120)
    assert (lost.returncode, "cannot be loaded" in err) == (1, True)


def start(workspace: Path, *words: str, port: int = 0) -> "subprocess.Popen[str]":
    """The `weft` of this environment, as a script starts it."""
    weft = Path(sys.executable).with_name("weft")
    return subprocess.Popen(
        [weft, "--disable-auto-launch", "--base-directory", workspace, "--port", str(port), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends a worker with its server, and tells of children"
)
def test_the_process_that_was_started_is_the_server_and_its_death_ends_all(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    weft = start(tmp_path, "--factory", FACTORY, port=port)
    try:
        assert weft.stdout is not None and weft.stderr is not None
        assert str(port) in weft.stdout.readline()
        with urlopen(f"http://127.0.0.1:{port}/object_info", timeout=60) as answer:
            assert json.load(answer)
        workers = children(weft.pid)
        assert len(workers) == 1
        os.kill(weft.pid, signal.SIGKILL)
        weft.wait(10)
        until = time.monotonic() + 1.0
        while is_alive(workers[0]) and time.monotonic() < until:
            time.sleep(0.01)
        assert not is_alive(workers[0])
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
            again.listen()
    finally:
        weft.kill()
        weft.communicate()


def test_answers_are_compressed_when_that_was_asked_for(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY, "--enable-compress-response-body") as server:
        for path, how in (("/object_info", "gzip"), ("/prompt", None)):
            request = Request(server.url + path, headers={"Accept-Encoding": "gzip"})
            with urlopen(request, timeout=60) as answer:
                assert answer.headers["Content-Encoding"] == how, path


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_https_is_served_with_a_certificate(tmp_path: Path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    words = ["--tls-keyfile", str(key), "--tls-certfile", str(certificate)]
    with serving(tmp_path / "home", "--factory", FACTORY, *words) as server:
        assert server.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=certificate)
        with urlopen(f"{server.url}/prompt", timeout=60, context=trusting) as answer:
            assert json.load(answer) == {"exec_info": {"queue_remaining": 0}}
    lost = start(tmp_path / "home", "--tls-keyfile", str(key), "--tls-certfile", str(tmp_path / "none.pem"))
    _, err = lost.communicate(timeout=60)
    assert (lost.returncode, "Weft cannot start" in err) == (1, True)


def test_listening_for_all_makes_a_token_once_and_says_so(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    said = []
    for words in (("--listen",), ("--listen",), ("--listen", "0.0.0.0", "--no-token")):
        weft = start(tmp_path, "--factory", FACTORY, *words, port=port)
        assert weft.stdout is not None
        said.append(weft.stdout.readline())
        weft.terminate()
        said.append(weft.communicate(timeout=60)[1])
    first, first_hint, second, second_hint, third, third_hint = said
    assert re.fullmatch(rf"Weft is at http://127\.0\.0\.1:{port}/\?token=[\w-]{{43}}\n", first)
    assert second == third == f"Weft is at http://127.0.0.1:{port}\n"
    for hint in (first_hint, second_hint):
        assert "weft token add NAME" in hint
        assert "--no-token" in hint
    assert "everybody who can reach this machine" in third_hint


def test_a_damaged_list_of_tokens_stops_a_server_for_all_and_says_what_to_do(tmp_path: Path):
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "tokens.json").write_text("{")
    weft = start(tmp_path, "--factory", FACTORY, "--listen", "0.0.0.0")
    _, err = weft.communicate(timeout=60)
    assert weft.returncode == 1
    for word in ("weft token add NAME", "--no-token"):
        assert word in err


def test_an_installation_of_the_field_is_used_where_it_is(tmp_path: Path):
    theirs = tmp_path / "theirs" / "ComfyUI"  # as the portable one lies
    for name in ("models/vae/mine.safetensors", "input/cat.png"):
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).touch()
    with serving(tmp_path / "own", "--comfy-dir", str(theirs.parent), "--factory", FACTORY) as server:
        assert server.get("/models/vae") == ["mine.safetensors"]
        assert server.get("/internal/files/input") == ["cat.png"]
        assert (theirs / "user" / "weft.db").is_file()


def test_packs_of_an_installation_that_is_named_are_trusted(tmp_path: Path):
    (tmp_path / "models").mkdir()
    parser, _ = _parser()
    config = working(parser.parse_args(["packs", "--comfy-dir", str(tmp_path)]))
    assert tmp_path / "custom_nodes" in config.trust.folders
    assert tmp_path / "custom_nodes" in config.packs
    assert (config.elsewhere.output, config.elsewhere.user) == (tmp_path / "output", tmp_path / "user")
    with pytest.raises(Unusable, match="no folder `models`"):
        working(parser.parse_args(["packs", "--comfy-dir", str(tmp_path / "models")]))
