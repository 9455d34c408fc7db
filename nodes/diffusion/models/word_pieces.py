"""BERT's vocabularies (Devlin et al. 2018, arXiv:1810.04805): one word piece a line in a folder's `vocab.txt`."""

import json
from pathlib import Path
from typing import Any, cast

from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Words

OWN = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
UNKNOWN, SETTINGS = "[UNK]", "tokenizer_config.json"


def words_of_list(path: Path) -> Words:
    """A vocabulary from its list; capital letters are small ones, unless the settings beside it say otherwise.

    Raises:
        OSError, ValueError, KeyError: a file is not what its name says, or has no piece for what is unknown.
    """
    ids = {line: number for number, line in enumerate(path.read_text("utf-8").splitlines())}
    if UNKNOWN not in ids:
        raise KeyError(UNKNOWN)
    settings, said = path.with_name(SETTINGS), dict[str, Any]()
    if settings.is_file():
        said = cast("dict[str, Any]", json.loads(settings.read_text("utf-8")))
    made = Words(models.WordPiece(ids, unk_token=UNKNOWN))
    made.normalizer = normalizers.BertNormalizer(lowercase=bool(said.get("do_lower_case", True)))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    own = [AddedToken(word, normalized=False, special=True) for word in OWN if word in ids]
    cast("Any", made).add_special_tokens(own)
    return made
