"""Upload runs to W&B that were mirrored offline, or make a dashboard of a table or a sweep."""

import argparse
import os
from pathlib import Path
from typing import Any

from supremix.cli import options as shared

EXAMPLES = """\
  supremix wandb sync                    upload the store's runs that are not on the server yet, each once
  supremix wandb sync --dry-run          list them
  supremix wandb dashboard table 5       a report: curves and metrics by row, beside the paper's values
  supremix wandb dashboard sweep --tags sweep-1a2b3c4d --over method.temperature,method.window"""
SWEPT = "method.temperature,method.window,method.beta"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two sub-commands and their options."""
    actions = parser.add_subparsers(dest="action", required=True)
    sync = actions.add_parser("sync", help="upload what was mirrored offline", allow_abbrev=False)
    sync.add_argument("--dry-run", action="store_true", help="upload nothing: list what would be")
    shared.add_overrides(sync, "such as paths.runs=DIR or tracking.dir=DIR")

    dashboard = actions.add_parser("dashboard", help="a report or a workspace online", allow_abbrev=False)
    kinds = dashboard.add_subparsers(dest="kind", required=True)
    table = kinds.add_parser("table", help="curves and final metrics by row", allow_abbrev=False)
    table.add_argument("table", help="a table that has runs, such as 5")
    shared.add_size(table)
    shared.add_config_dir(table)
    sweep = kinds.add_parser("sweep", help="a metric against the settings that were swept", allow_abbrev=False)
    sweep.add_argument(
        "--metric", default="best/mae", help="variant and name of a validation metric (default: best/mae)"
    )
    sweep.add_argument("--over", default=SWEPT, help=f"comma-separated keys of the config (default: {SWEPT})")
    sweep.add_argument("--tags", default="supremix", help="comma-separated; those of its runs, such as the sweep's own")
    for part in (dashboard, table, sweep):  # before the kind or after it; what is not given there stays
        unset: dict[str, Any] = {} if part is dashboard else {"default": argparse.SUPPRESS}
        entity = {"default": os.environ.get("WANDB_ENTITY", "")} | unset
        part.add_argument("--entity", help="W&B team (default: your own)", **entity)
        part.add_argument("--dry-run", action="store_true", help="save nothing: print what it would show", **unset)
        part.add_argument("--out", type=Path, help="save nothing online: write the view's JSON to this file", **unset)
    for part in (table, sweep):
        shared.add_overrides(part, "Hydra overrides, as they were given for the runs")


def run(options: argparse.Namespace) -> int:
    """Upload, or make the dashboard. Returns the exit code."""
    return sync(options) if options.action == "sync" else dashboard(options)


def sync(options: argparse.Namespace) -> int:
    """Upload each finished run that is not on the server; UserError where one was not uploaded."""
    from supremix.errors import UserError
    from supremix.settings.compose import CONF, composed
    from supremix.store.folders import Store
    from supremix.tracking import uploads

    cfg = composed(CONF, options.overrides)
    folder = Path(cfg.tracking.dir) / "wandb"
    waiting = uploads.pending(folder, Store(cfg.paths.runs))
    print(f"{folder}: {len(waiting.ready)} to upload, {len(waiting.unfinished)} of runs that are not finished")
    if options.dry_run or not waiting.ready:
        print("".join(f"{path}\n" for path in waiting.ready.values()), end="")
        return 0
    _check_key("")
    failed = uploads.sync(waiting, print)
    if failed:
        raise UserError(f"{len(failed)} of {len(waiting.ready)} not uploaded, try again later; first {failed[0]}")
    return 0


def dashboard(options: argparse.Namespace) -> int:
    """Make a report of a table or a workspace of a sweep, and save it online or into a file."""
    from supremix.errors import needs, writing_to
    from supremix.settings.compose import CONF, composed

    needs("wandb_workspaces", "dashboards")
    from supremix.tables import dashboards

    cfg = composed(CONF, options.overrides)
    place = {"entity": options.entity, "project": cfg.tracking.project}
    view: dashboards.View
    if options.kind == "table":
        view = dashboards.table_report(*_planned(options), **place)
    else:
        over, tags = options.over.split(","), options.tags.split(",")
        view = dashboards.sweep_workspace(cfg, options.metric, over, tags, **place)
    print(dashboards.describe(view))
    if options.out:
        with writing_to(options.out, "name another file with --out"):
            options.out.write_text(dashboards.as_json(view), encoding="utf-8")
        print(options.out)
    elif not options.dry_run:
        _check_key("; --out FILE needs none")
        print(dashboards.save(view))
    return 0


def _planned(options: argparse.Namespace) -> Any:
    """Return a table's specification and its cells."""
    from supremix.errors import UserError
    from supremix.settings.compose import CONF, specification
    from supremix.suite.plan import plan
    from supremix.suite.reading import load
    from supremix.tables import computed

    path, size = specification(CONF, "table", options.table), shared.size_of(options)
    if computed.kind(path):
        raise UserError(f"table {options.table} is computed, it has no runs to show")
    spec = size.spec(load(path))
    return spec, plan(spec, CONF, size.line(options.overrides))


def _check_key(without: str) -> None:
    from supremix.errors import UserError
    from supremix.tracking.mirror import has_key

    if not has_key():
        raise UserError(f"no W&B key: run `wandb login`, or set WANDB_API_KEY{without}")
