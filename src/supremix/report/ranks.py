"""Rank methods over the extended tables: a page, and a picture of what their ranks tell apart."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from supremix.errors import writing_to
from supremix.metrics.ranks import cliques, critical_difference, friedman, mean_ranks
from supremix.runtime.disk import replacing
from supremix.suite.reading import load, reading
from supremix.suite.size import PAPER, Size
from supremix.tables import files
from supremix.tables.render import md_head, md_line
from supremix.tables.results import Results
from supremix.tables.tuned import tuned_rows


@dataclass(frozen=True)
class Ranked:
    """Methods over the tables in which all of them are finished.

    Attributes:
        rows: the methods, by ascending mean rank.
        titles: of the tables.
        error_DK: their errors, a line a table, in the order of ``rows``.
        rank_K: their mean ranks.
        synthetic: whether a table's data is synthetic.
        tuned: a line on the rows that were tuned, where there are any.
    """

    rows: list[str]
    titles: list[str]
    error_DK: np.ndarray
    rank_K: np.ndarray
    synthetic: bool
    tuned: list[str]

    @property
    def difference(self) -> float | None:
        """The critical difference of mean ranks; None below two tables."""
        datasets, methods = self.error_DK.shape
        return critical_difference(methods, datasets) if datasets > 1 else None


def write_ranks(conf: Path, out: Path, size: Size = PAPER) -> Path | None:
    """Write ``ranks/`` beside the rendered tables; return its page, or None where no table has all methods.

    Args:
        conf: the config folder.
        out: parent folder of the tables.
        size: the paper's, or one of conf/size/.
    """
    with reading(conf / "table" / "_ranks.yaml", "table") as spec:
        tables = extended_tables(conf, out, size)
    means = [_means(results, spec["rows"]) for results in tables]
    whole = [(results, row_means) for results, row_means in zip(tables, means, strict=True) if None not in row_means]
    if not whole:
        return None
    ranked = rank(spec["rows"], [results for results, _ in whole], np.array([row_means for _, row_means in whole]))
    left_out = [dataset(results) for results, row_means in zip(tables, means, strict=True) if None in row_means]
    folder = out / spec["name"]
    with writing_to(folder, "make space"), replacing(folder) as scratch:
        (scratch / "ranks.md").write_text(
            page(size.title(spec["title"]) if size.name else spec["title"], ranked, left_out)
        )
        if ranked.difference is not None and importlib.util.find_spec("matplotlib"):
            from supremix.figures.canvas import save

            save(picture(ranked, ranked.difference), scratch / "ranks", ranked.synthetic)
    return folder / "ranks.md"


def extended_tables(conf: Path, out: Path, size: Size) -> list[Results]:
    """Read the rendered extended tables, by name."""
    return [
        files.read(size.spec(table), out / table.name)[0]
        for table in map(load, sorted((conf / "table").glob("extended_*.yaml")))
        if (out / table.name / files.RECORDS).is_file()  # some have datasets that no other size has
    ]


def dataset(results: Results) -> str:
    """Return the title of an extended table without what all of them begin with."""
    return results.spec.title.removeprefix("Extended table: ")


def tuned_in(tables: list[Results]) -> list[str]:
    """Return a line on the tuned rows of tables, where there are any; tables of the same rows together."""
    datasets: dict[str, list[str]] = {}
    for results in tables:
        if rows := tuned_rows(results):
            datasets.setdefault("; ".join(row.name for row in rows), []).append(dataset(results))
    listed = [f"{'; '.join(names)}: {rows}" for rows, names in datasets.items()]
    what = "Tuned on validation, all others with the settings that they came with"
    return [f"{what}. {'. '.join(listed)}"] if listed else []


def rank(rows: list[str], tables: list[Results], error_DK: np.ndarray) -> Ranked:
    """Rank rows by their errors, a line of which belongs to each table."""
    rank_K = mean_ranks(error_DK)
    order_K = np.argsort(rank_K, kind="stable")
    titles = [f"[{dataset(results)}](../{results.spec.name}/table.md)" for results in tables]
    synthetic = any(results.synthetic for results in tables)
    of_order = [rows[k] for k in order_K], titles, error_DK[:, order_K], rank_K[order_K]
    return Ranked(*of_order, synthetic, tuned_in(tables))


def page(title: str, ranked: Ranked, left_out: list[str]) -> str:
    """Return the page in Markdown."""
    datasets, methods = ranked.error_DK.shape
    tables = f"{datasets} table{'s' * (datasets > 1)}"
    lines = [f"# {title}", "", f"Ranks of {methods} methods by mean test error, 1 is the lowest, in {tables}:", ""]
    lines += [*(f"{number}. {name}" for number, name in enumerate(ranked.titles, 1)), ""]
    lines += ["**Synthetic data**: made by a generator.", ""] if ranked.synthetic else []
    head = ["", "mean rank", *(str(number) for number in range(1, datasets + 1))]
    lines += md_head(head)
    ranks_DK = np.stack([mean_ranks(error_K[None]) for error_K in ranked.error_DK])
    for k, row in enumerate(ranked.rows):
        lines.append(md_line([row, f"{ranked.rank_K[k]:.2f}", *(f"{value:g}" for value in ranks_DK[:, k])]))
    lines += ["", *(f"- {text}" for text in says(ranked, left_out))]
    if ranked.difference is not None:
        lines += ["", "![Mean ranks; a bar joins methods that are not told apart](ranks.png)"]
    return "\n".join(lines) + "\n"


def says(ranked: Ranked, left_out: list[str]) -> list[str]:
    """Return what the ranks tell and what they do not."""
    texts, datasets = [], len(ranked.titles)
    p, difference = friedman(ranked.error_DK), ranked.difference
    if p is None or difference is None:
        texts.append("One table: its ranks say nothing of other data, and nothing is tested")
    else:
        texts.append(f"Friedman's test that all rank alike, {datasets} tables: p = {p:.2g}")
        groups = [ranked.rows[first : last + 1] for first, last in cliques(ranked.rank_K, difference)]
        joined = "; ".join(f"{rows[0]} to {rows[-1]} ({len(rows)})" for rows in groups)
        texts.append(
            f"Nemenyi's critical difference at 5 %: {difference:.2f} ranks. Not told apart, from rank to rank: "
            f"{joined or 'none'}"
        )
    if left_out:
        texts.append(f"Left out, since a row of it is not finished: {'; '.join(left_out)}")
    return texts + ranked.tuned


def picture(ranked: Ranked, difference: float) -> Any:
    """Draw the mean ranks on a line, with a bar over each group that is not told apart (Demšar 2006, figure 1)."""
    from matplotlib.figure import Figure

    methods, groups = len(ranked.rows), cliques(ranked.rank_K, difference)
    half, top = (methods + 1) // 2, 0.6 + 0.35 * len(groups)
    drawn = Figure(figsize=(7.5, 1.2 + 0.16 * len(groups) + 0.28 * half), layout="constrained")
    axis = drawn.subplots()
    axis.set(xlim=(methods + 0.2, 0.8), ylim=(top + half + 0.2, -1.8))  # the lowest rank on the right
    axis.axis("off")
    axis.hlines(0, 1, methods, color="black", linewidth=1)
    for tick in range(1, methods + 1):
        axis.vlines(tick, -0.2, 0, color="black", linewidth=1)
        axis.text(tick, -0.35, str(tick), ha="center", va="bottom")
    axis.hlines(-1.3, methods, methods - difference, color="black", linewidth=2)
    axis.text(methods - difference / 2, -1.4, f"critical difference {difference:.2f}", ha="center", va="bottom")
    for number, (first, last) in enumerate(groups):
        low, high = ranked.rank_K[first] - 0.06, ranked.rank_K[last] + 0.06
        axis.hlines(0.4 + 0.35 * number, low, high, color="#1b3a6b", linewidth=3)
    for k, (row, mean) in enumerate(zip(ranked.rows, ranked.rank_K, strict=True)):
        on_right = k < half
        height = top + (k if on_right else methods - 1 - k) + 0.4
        end = 0.9 if on_right else methods + 0.1
        axis.plot([mean, mean, end], [0, height, height], color="0.4", linewidth=0.8)
        axis.text(end, height, f" {row}  {mean:.2f} ", ha="left" if on_right else "right", va="center")
    return drawn


def _means(results: Results, rows: list[str]) -> list[float | None]:
    """Return the rows' mean errors in the table's first panel."""
    panel = results.spec.panels[0]
    return [results.mean(panel, row, results.spec.gain_column(panel)) for row in rows]
