"""Prepare STS-B-DIR: three tab-separated files of scored sentence pairs and word vectors become a prepared folder."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supremix.data.prepared.folder import read_meta, redo, sha256_file
from supremix.errors import UserError
from supremix.prepare.shared import command
from supremix.prepare.shared.download import download
from supremix.prepare.shared.marker import marker
from supremix.prepare.shared.prepared import write_manifest, write_meta
from supremix.prepare.shared.report import Finding, compare_counts, summary_lines, write_report
from supremix.prepare.shared.sources import find_source, is_current, write_stamps
from supremix.prepare.shared.working_folder import atomic_folder
from supremix.prepare.stsb_pairs import Pair, in_train_too, read_pairs
from supremix.runtime.progress import meter
from supremix.runtime.stamps import stamp

if TYPE_CHECKING:
    from supremix.data.raw.words import Vectors, Vocabulary

NAME = "stsb_dir"
FILES = {"train": "train_new.tsv", "val": "dev_new.tsv", "test": "test_new.tsv"}
OWN_VECTORS = "vectors.50d.txt"  # beside the pairs, as a twin has them
TABLE_12 = {"train": 5249, "val": 1000, "test": 1000}
SUMS = {  # split → SHA-256 of the published files, in the order of FILES
    "yang": (
        "4da3322ae29f7ad1b7d03cdeafcb2480c276e5df1d08737678a7856697218a9a",
        "9ec12d785aa817ffe4b0f88fde442d3bf57161d8cbeaa84aaa1fdf764cca6dd6",
        "55f90b3c5a0b2947d5ff64c41536191e9e1ba3bb5ffe64aca5465ab25fa8e94c",
    ),
    "authors": (
        "bc585f3f2f281666be62fc63731712c3157696627b6a44cffe12603bcaa51441",
        "ebf87e2d372d39e267dda26aab4596f9b4b42868d580cf024deeb3cdc2307ee0",
        "ae93d3818057a08ae3973e4c4b181f4305f5f33a5da52ce6607496684d912668",
    ),
}
URLS = {
    "yang": "https://raw.githubusercontent.com/YyzHarry/imbalanced-regression/main/sts-b-dir/glue_data/STS-B",
    "authors": "",  # no lasting address
}
LABEL = "similarity score, 0 to 5"
ABOUT = f"""\
Prepare STS-B-DIR, sentence pairs scored for similarity from 0 to 5, for training.

source: the STS Benchmark (Cer et al., 2017), http://ixa2.si.ehu.eus/stswiki, split in one of these ways:
        yang     Yang et al., 2021: downloaded, 1.3 MB, where DATA/{NAME} has none
                 {URLS["yang"]}
        authors  the SupReMix authors' own, as in their review-time release: put its files into DATA/{NAME}_authors
        NAME     any other one that you have, from DATA/{NAME}_NAME; only yang and authors are checked by SHA-256
        Both hold the same 7249 pairs, but most of yang's test pairs are training pairs in authors: numbers on
        different splits are not comparable. Files: {", ".join(FILES.values())}.
        Word vectors in GloVe's text format, https://nlp.stanford.edu/projects/glove
terms:  scores CC BY-SA 4.0; sentences under the terms of their sources, which the benchmark's LICENSE.txt lists;
        GloVe vectors: Public Domain Dedication and License 1.0

OUT/{NAME}-SPLIT-50d is written for 50-dimensional vectors, OUT/{NAME}-SPLIT-300d for 300-dimensional ones.
Its report.csv lists every row that is left out, and every odd one that is kept.

examples:
  supremix prepare {NAME}
  supremix prepare {NAME} --split authors
  supremix prepare {NAME} --vectors ~/glove.840B.300d.txt
  supremix twin {NAME} && supremix prepare {NAME} --split demo     invented sentences instead"""


def prepare(files: Mapping[str, Path], split: str, vectors: "Vectors", out: Path) -> Path:
    """Prepare pairs with these word vectors; return the prepared folder.

    Raises UserError where a file is missing, unusable or not the published one.

    Args:
        files: train, val and test → raw file.
        split: name of the division into train, val and test.
        out: directory of prepared folders.
    """
    folder = out / f"{NAME}-{split}-{vectors.width}d"
    sums = {path.name: _sum(path) for path in files.values()}
    synthetic = marker(files["train"]) is not None
    if not synthetic and split in SUMS:
        _check_published(files, split, sums)
    stamps = [stamp(path) for path in vectors.files]
    made_from = find_source((split, sums), stamps, lambda: [_sum(path) for path in vectors.files])
    _refuse_other_vectors(folder, vectors.name)
    if is_current(folder, NAME, made_from):
        print(f"{folder}: already prepared, left as it is")
        return folder

    from supremix.data.raw.words import coverage, look_up, wanted_words

    pairs, findings = _read(files)
    count = Counter(token for pair in pairs for tokens in pair.tokens for token in tokens)
    vocabulary = look_up(count, vectors.read(wanted_words(count)))
    vector_sums = made_from.contents()
    facts = {"file": vectors.name, "width": vectors.width, **coverage(count, vocabulary)}
    with atomic_folder(folder) as working:
        _write_content(working, pairs, vocabulary)
        source = made_from.describe(" ".join(sums), URLS.get(split, ""), vector_sums)
        about: dict[str, Any] = {"split": split, "vectors": facts, "files": sums}
        rows = len(pairs)
        write_meta(working, name=NAME, rows=rows, label=LABEL, source=source, synthetic=synthetic, **about)
        write_report(working, findings)  # after the sums: it is no part of the content
        write_stamps(working, source["sha256"], made_from)
    _summarise(folder, pairs, findings, facts)
    return folder


def _sum(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}): `supremix prepare {NAME} --help` says where to get it"
        ) from error


def _refuse_other_vectors(folder: Path, name: str) -> None:
    if folder.exists():
        made_with = read_meta(folder).get("vectors", {}).get("file")
        if made_with != name:
            raise UserError(f"{folder}: made with the vectors of {made_with}, not {name}: {redo(folder)}")


def _check_published(files: Mapping[str, Path], split: str, sums: Mapping[str, str]) -> None:
    for path, expected in zip(files.values(), SUMS[split], strict=True):
        if sums[path.name] != expected:
            raise UserError(
                f"{path}: its SHA-256 is not the one of the split {split!r}: get the file again, "
                "or prepare yours under another name, --split NAME"
            )


def _read(files: Mapping[str, Path]) -> tuple[list[Pair], list[Finding]]:
    from supremix.data.sentences import tokenise

    with meter("tokenising, sentences", 2 * sum(path.read_bytes().count(b"\n") for path in files.values())) as advance:

        def counted(sentence: str) -> list[str]:
            advance(1)
            return tokenise(sentence)

        return read_pairs(files, counted)


def _write_content(folder: Path, pairs: list[Pair], vocabulary: "Vocabulary") -> None:
    import numpy as np

    ids, scores, splits = zip(*((p.id, p.score, p.split) for p in pairs), strict=True)
    write_manifest(folder, {"id": ids, "label": scores, "split": splits})
    (folder / "vocabulary.txt").write_text("\n".join(vocabulary.words) + "\n", encoding="utf-8")
    row = {word: i for i, word in enumerate(vocabulary.words)}
    np.save(folder / "lengths.npy", np.array([[len(t) for t in p.tokens] for p in pairs], dtype="<i4"))
    np.save(folder / "tokens.npy", np.array([row[w] for p in pairs for t in p.tokens for w in t], dtype="<i4"))
    np.save(folder / "vectors.npy", vocabulary.vectors_VE)


def _summarise(folder: Path, pairs: list[Pair], findings: list[Finding], facts: Mapping[str, object]) -> None:
    print(f"{folder}: {len(pairs)} pairs")
    print(compare_counts(Counter(pair.split for pair in pairs), TABLE_12))
    print("pairs that stand in train too: " + ", ".join(f"{s} {in_train_too(pairs, s)}" for s in ("val", "test")))
    print(
        "words without a vector: {types_missing} of {types}, in the text {tokens_missing} of {tokens}; "
        "they get zeros; vectors: {file}, {width} numbers each".format(**facts)
    )
    for line in summary_lines(folder, findings):
        print(line)


def raw_files(source: Path | None, data: Path, split: str) -> dict[str, Path]:
    """Map train, val and test to their raw files; download missing ones where there is an address."""
    folder = source or data / (NAME if split == "yang" else f"{NAME}_{split}")
    files = {part: folder / name for part, name in FILES.items()}
    if source is None and URLS.get(split):
        for path, expected in zip(files.values(), SUMS[split], strict=True):
            if not path.exists():
                download(path, f"{URLS[split]}/{path.name}", expected)
    return files


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare NAME`` and return the exit code."""
    parser = command.parser(NAME, ABOUT)
    parser.add_argument("--split", default="yang", metavar="SPLIT", help="yang (default), authors, or a name of yours")
    parser.add_argument("--source", type=Path, metavar="DIR", help="the folder with the three files, wherever it is")
    parser.add_argument(
        "--vectors",
        type=Path,
        metavar="FILE",
        help=f"word vectors in GloVe's text format (default: {OWN_VECTORS} beside the pairs, else "
        "DATA/glove/glove.6B.50d.txt, else DATA/glove/glove.6B.50d.stsb.txt, else the installed package); "
        "glove.840B.300d.txt for the full size",
    )
    args = parser.parse_args(arguments)

    def body() -> None:
        from supremix.data.raw.words import find_vectors

        if not re.fullmatch(r"[a-z0-9_]+", args.split):
            raise UserError(f"--split {args.split}: a split's name has small letters, digits and underscores only")
        files = raw_files(args.source, args.data, args.split)
        own = files["train"].with_name(OWN_VECTORS)
        vectors = find_vectors(args.vectors or (own if own.is_file() else None), args.data / "glove")
        prepare(files, args.split, vectors, args.out)

    return command.exit_code(body)
