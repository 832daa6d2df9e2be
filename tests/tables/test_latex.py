"""Tables as a LaTeX engine sees them: the committed ones compile, and none is wider than a page."""

import shutil
import subprocess
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "results"
ENGINES = {
    "pdflatex": ["-interaction=nonstopmode", "-halt-on-error"],
    "tectonic": ["--keep-logs", "--untrusted"],
}
PAGE = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def compiled(source: str, folder: Path) -> str:
    """Compile a page around the source with the engine that is here; what its log says."""
    found = [name for name in ENGINES if shutil.which(name)]
    if not found:
        pytest.skip(f"no LaTeX engine here: {' or '.join(ENGINES)}")
    (folder / "page.tex").write_text(PAGE % source, encoding="utf-8")
    command = [found[0], *ENGINES[found[0]], "page.tex"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "page.log").read_text(errors="replace")


def test_committed_tables_compile_and_fit_a_page(tmp_path):
    paths = sorted(RESULTS.glob("*/table.tex"))
    assert len(paths) >= 16
    log = compiled("\n\\clearpage\n".join(path.read_text(encoding="utf-8") for path in paths), tmp_path)
    assert "Overfull" not in log
    assert "Float too large" not in log


def test_the_log_tells_of_a_table_that_is_too_wide(tmp_path):
    (wide,) = RESULTS.glob("table_5/table.tex")
    kept = [line for line in wide.read_text(encoding="utf-8").splitlines() if "resizebox" not in line]
    assert "Overfull" in compiled("\n".join(kept).replace(r"\end{tabular}}", r"\end{tabular}"), tmp_path)
