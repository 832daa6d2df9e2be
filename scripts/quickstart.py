"""Four methods on scikit-learn's diabetes data: trained, tabulated, and their test features pictured."""

import argparse
import sys
from pathlib import Path

from supremix.suite.launchers import add_options, from_options

PICTURED = ("Vanilla", "SupCon", "SupCR", "SupReMix")


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Anything else is a Hydra override for every run")
    add_options(parser)
    parser.add_argument("--out", type=Path, default=Path("outputs/quickstart"), help="folder of table and picture")
    options, overrides = parser.parse_known_args(arguments)
    folder = options.out

    from supremix.cli.options import hydra_overrides
    from supremix.errors import MISTAKES, one_line
    from supremix.figures.canvas import save
    from supremix.figures.tsne import test_features, tsne
    from supremix.runtime.ending import ending_on_signals
    from supremix.settings.compose import CONF, composed
    from supremix.store.folders import Store
    from supremix.tables.reproduce import reproduce

    try:
        launcher, overrides = from_options(options, hydra_overrides(overrides))
        with ending_on_signals():
            results, cells, _ = reproduce("quickstart", CONF, folder, launcher, overrides)
        store = Store(composed(CONF, overrides).paths.runs)
        first = {cell.row: store.run(str(cell.run_id)) for cell in cells if cell.seed == results.spec.seeds[0]}
        panels = [test_features(name, first[name]) for name in PICTURED]
        picture, _ = tsne(panels, "disease progression (label units)", columns=len(panels))
        save(picture, folder / "tsne", synthetic=False)
    except MISTAKES as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print((folder / "table.md").read_text())
    print(f"table:   {folder / 'table.md'}\npicture: {folder / 'tsne.png'}\nrecords: {folder / 'records.jsonl'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
