"""Tokens: told once, kept hashed, each with a user of its own."""

import json
import os
import stat
from pathlib import Path

import pytest

from server.cli import main
from server.tokens import TokenRefused, Tokens, TokensUnreadable


def whose(tokens: Tokens, text: str) -> str | None:
    found = tokens.find(text)
    return found and found.user


def test_a_token_opens_and_only_its_hash_is_kept(tmp_path: Path):
    tokens = Tokens(tmp_path)
    text = tokens.add("me")
    assert len(text) >= 43  # 256 bits
    assert text not in (tmp_path / "tokens.json").read_text()
    assert whose(tokens, text) == "default"
    for wrong in ("", text[:-1], text + "x", text.upper(), "\ud800"):
        assert whose(tokens, wrong) is None
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.json"]


def test_the_first_name_keeps_the_files_that_were_there_and_everybody_finds_theirs_again(tmp_path: Path):
    tokens = Tokens(tmp_path)
    first, anna = tokens.add("me"), tokens.add("anna")
    assert (whose(tokens, first), whose(tokens, anna)) == ("default", "token_anna")
    assert tokens.remove("me")
    assert whose(tokens, first) is None
    bob, again = tokens.add("bob"), tokens.add("me")
    assert (whose(tokens, bob), whose(tokens, again)) == ("token_bob", "default")
    assert not tokens.remove("nobody")


@pytest.mark.parametrize("name", ["", ".", "../x", "a b", "a/b", "x" * 41, "-x", "é"])
def test_a_name_is_a_plain_one(name, tmp_path: Path):
    with pytest.raises(TokenRefused):
        Tokens(tmp_path).add(name)


def test_a_name_is_taken_once(tmp_path: Path):
    Tokens(tmp_path).add("me")
    with pytest.raises(TokenRefused, match="already"):
        Tokens(tmp_path).add("Me")


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"tokens": [{}], "users": {}}', '{"tokens": 1, "users": {}}', "\ufeff{"]
)
def test_a_damaged_list_opens_to_nobody_and_says_what_to_do(content, tmp_path: Path):
    (tmp_path / "tokens.json").write_text(content)
    for ask in (lambda: Tokens(tmp_path).find("x"), lambda: Tokens(tmp_path).add("me")):
        with pytest.raises(TokensUnreadable, match=r"weft token add NAME.*--no-token"):
            ask()


def test_the_command_adds_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def weft(*words: str) -> tuple[int, str, str]:
        status = main(["token", *words, "--workspace", str(tmp_path)])
        said = capsys.readouterr()
        return status, said.out, said.err

    status, text, hint = weft("add", "anna")
    assert (status, "once" in hint) == (0, True)
    assert whose(Tokens(tmp_path / "user"), text.strip()) == "default"
    assert weft("add", "anna")[0] == 1
    assert weft()[1].split("\t")[0] == "anna"
    assert weft("remove", "bob")[0] == 1
    assert weft("remove", "anna")[0] == 0
    assert weft("list") == (0, "", "There are no tokens. `weft token add NAME` makes one.\n")
    assert weft("add")[0] == weft("list", "anna")[0] == 2
    assert json.loads((tmp_path / "user" / "tokens.json").read_text())["tokens"] == []
