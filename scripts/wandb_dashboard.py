"""Make a W&B dashboard: a report for a table of the paper, or a workspace for a sweep."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Anything else is a Hydra override, as it was given for the runs"
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    table = kinds.add_parser("table", help="curves and final metrics by row, and the numbers beside the paper's")
    table.add_argument("table", help="a name under conf/table, such as 5")
    table.add_argument("--size", help="a name under conf/size: small, synthetic data (default: the paper's)")
    sweep = kinds.add_parser("sweep", help="a metric against the settings that were swept")
    sweep.add_argument("--metric", default="best/mae", help="variant and name of a test metric (default: best/mae)")
    swept = "method.temperature,method.window,method.beta"
    sweep.add_argument("--over", default=swept, help=f"comma-separated keys of the config (default: {swept})")
    sweep.add_argument("--tags", default="supremix", help="comma-separated; those of its runs, such as the sweep's own")
    for part in (parser, table, sweep):  # before the kind or after it; what is not given there stays
        unset: dict[str, Any] = {} if part is parser else {"default": argparse.SUPPRESS}
        entity = {"default": os.environ.get("WANDB_ENTITY", "")} | unset
        part.add_argument("--entity", help="W&B team (default: your own)", **entity)
        part.add_argument("--dry-run", action="store_true", help="save nothing: say what it would show", **unset)
        part.add_argument("--out", type=Path, help="save nothing online: write the view's JSON to this file", **unset)
    options, overrides = parser.parse_known_args(arguments)

    from supremix.cli.options import hydra_overrides
    from supremix.errors import MISTAKES, UserError, needs, one_line
    from supremix.settings.compose import CONF, composed
    from supremix.suite import size as sizes
    from supremix.suite.plan import plan
    from supremix.suite.reading import load
    from supremix.tables import computed
    from supremix.tracking.mirror import has_key

    try:
        needs("wandb_workspaces", "dashboards")
        from supremix.tables import dashboards

        cfg = composed(CONF, hydra_overrides(overrides))
        place = {"entity": options.entity, "project": cfg.tracking.project}
        if options.kind == "table":
            path, size = CONF / "table" / f"{options.table}.yaml", sizes.load(CONF, options.size)
            if computed.kind(path):
                raise UserError(f"table {options.table} is computed, it has no runs to show")
            spec = size.spec(load(path))
            cells = plan(spec, CONF, size.line(overrides))
            view: dashboards.View = dashboards.table_report(spec, cells, **place)
        else:
            over, tags = options.over.split(","), options.tags.split(",")
            view = dashboards.sweep_workspace(cfg, options.metric, over, tags, **place)
        print(dashboards.describe(view))
        if options.out:
            options.out.write_text(dashboards.as_json(view))
            print(options.out)
        elif not options.dry_run:
            if not has_key():
                raise UserError("no W&B key: run `wandb login`, or set WANDB_API_KEY; --out FILE needs none")
            print(dashboards.save(view))
    except (*MISTAKES, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
