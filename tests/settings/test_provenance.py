"""The digest of code: what changes it, and what does not."""

import re

import pytest

from supremix.errors import UserError
from supremix.settings import provenance
from supremix.settings.syntax import files_digest

TEXT = '''"""A module."""
from supremix.losses.pairs import number, positive_number

STEP = 0.5
"""Said of it."""


def scaled(x, by=STEP):
    """A function."""
    return f"{x!r}", number(x) * by  # a comment
'''


def digest(tmp_path, *texts):
    paths = [tmp_path / f"{index}.py" for index in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return files_digest(paths)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A module.", "Another text."),
        ('    """A function."""\n', ""),
        ("Said of it.", "Other words."),
        ("# a comment", ""),
        ("supremix.losses.pairs", "supremix.elsewhere"),
        ("number, positive_number", "positive_number, number"),
        ("x, by=STEP", "x, by = STEP,"),
    ],
)
def test_words_formatting_and_places_do_not_count(tmp_path, old, new):
    assert old in TEXT
    assert digest(tmp_path, TEXT.replace(old, new)) == digest(tmp_path, TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.25"),
        ("by=STEP", "by=1"),
        ("* by", "/ by"),
        ("{x!r}", "{x!s}"),
        ("number, positive_number", "number"),
        ("import number,", "import positive as number,"),
        ("0.5", "True"),
    ],
)
def test_code_counts(tmp_path, old, new):
    assert old in TEXT
    assert digest(tmp_path, TEXT.replace(old, new)) != digest(tmp_path, TEXT)


def test_order_and_names_of_files_do_not_count_and_their_number_does(tmp_path):
    assert digest(tmp_path, TEXT, "x = 1") == digest(tmp_path, "x = 1", TEXT)
    assert digest(tmp_path, TEXT, TEXT) != digest(tmp_path, TEXT)


def test_an_unreadable_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"0\.py: not readable as Python"):
        digest(tmp_path, "def")


def test_the_digest_covers_what_makes_numbers_and_nothing_that_only_shows():
    for name in (*provenance.CAN_CHANGE_NUMBERS, *provenance.CANNOT):
        assert (provenance.PACKAGE / name).exists(), name
    names = {path.relative_to(provenance.PACKAGE).as_posix() for path in provenance.number_making_files()}
    assert {"losses/supremix.py", "training/adapt.py", "data/tabular.py", "runtime/seeding.py"} <= names
    assert {"settings/build.py", "experiment/stages.py", "experiment/measure.py", "runtime/sharding.py"} <= names
    assert not {name for name in names if name.startswith(("tracking", "tables", "cli")) or "progress" in name}


def test_the_commit_is_named_in_a_checkout_alone(monkeypatch, tmp_path):
    code = provenance.present_code()
    assert set(code) - {"commit", "dirty"} == {"version", "digest"}
    if "commit" in code:
        assert re.fullmatch("[0-9a-f]{40}", code["commit"])
        assert isinstance(code["dirty"], bool)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    assert provenance._commit() == {}
