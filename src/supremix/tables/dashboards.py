"""Build W&B dashboards with the wandb-workspaces library: a report for a table, a workspace for a sweep.

Only `save` talks to a server. Metrics have the names under which `supremix.tracking.mirror` logs them.
"""

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from omegaconf import DictConfig, OmegaConf
from wandb_workspaces.expr import And

from supremix.errors import UserError
from supremix.experiment.record import BETA_MEAN
from supremix.metrics.regression import METRICS, VARIANTS
from supremix.settings.identity import scientific
from supremix.suite.plan import Cell
from supremix.suite.spec import Panel, Spec
from supremix.tables.wandb import TABLE_JOB

View = wr.Report | ws.Workspace

CURVES = {
    "Contrastive loss": ("pretrain", ["loss"]),
    "Mean logits of positive and negative pairs": ("pretrain", ["positive_logit", "negative_logit"]),
    "Loss of adaptation": ("adapt", ["loss"]),
    "Validation": ("adapt", [f"val_{name}" for name in METRICS]),  # those that its runs have
}
"""Title of a line plot → stage, and columns of its history."""

MOST = 100
"""The most lines or bars in a plot; W&B's default is 10."""

NUMBERS = {"method.beta": BETA_MEAN}
"""Setting that is no number → the number of a run's summary that an axis shows instead."""


def table_report(spec: Spec, cells: list[Cell], entity: str, project: str) -> wr.Report:
    """Build a report on a table: the numbers beside the paper's, and each panel's curves and final metrics by row.

    A row's runs are chosen by id, since a run that two tables share has the tag of only one. Rows without data are left
    out and named.

    Args:
        spec: the table.
        cells: its planned runs.
        entity, project: of W&B.
    """
    runs: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.run_id is not None:
            runs.setdefault((cell.panel, cell.row), []).append(cell.run_id)
    if not runs:
        raise UserError(f"{spec.title}: none of its data is there: {cells[0].hint}")
    of_table = And(ws.Tags().isin([spec.label]), ws.Metric("JobType") == TABLE_JOB)
    summary = wr.PanelGrid(
        runsets=[wr.Runset(name=spec.label, project=project, filters=of_table)],
        panels=[wr.WeavePanelSummaryTable(table_name=spec.label, layout=wr.Layout(w=24, h=12))],
    )
    blocks: list[Any] = [wr.H2("Means over the seeds, and the paper's values"), summary]
    for panel in spec.panels:
        runsets = [
            wr.Runset(
                name=row.name,
                project=project,
                filters=And(ws.Metric("ID").isin(runs[panel.name, row.name])),
                groupby=["config.method.name"],  # merges a row's runs, which differ in the seed
            )
            for row in spec.rows_of(panel)
            if (panel.name, row.name) in runs
        ]
        blocks.append(wr.H2(panel.name or "Runs"))
        if runsets:
            blocks.append(wr.PanelGrid(runsets=runsets, panels=[*_bars(spec, panel), *_curves()]))
    absent = sorted({cell.dataset for cell in cells if cell.run_id is None})
    blocks += [wr.P(f"Not prepared where this report was made, so not shown: {name}") for name in absent]
    return wr.Report(project=project, entity=entity, title=spec.title, blocks=blocks, width="fluid")


def sweep_workspace(
    cfg: DictConfig, metric: str, over: list[str], tags: list[str], entity: str, project: str
) -> ws.Workspace:
    """Build a workspace on the runs of a sweep: a metric against each setting, and against all of them.

    Args:
        cfg: the composed config of one of the runs, to check the settings against.
        metric: variant and name of a metric on the validation rows, such as ``best/mae``.
        over: keys of the config.
        tags: tags that each of the runs has.
        entity, project: of W&B.
    """
    variant, _, name = metric.partition("/")
    if variant not in VARIANTS or name.partition("_")[0] not in METRICS:
        raise UserError(f"--metric {metric}: give one of {'|'.join(VARIANTS)} / one of {'|'.join(METRICS)}")
    science = OmegaConf.create(scientific(cfg))
    for key in over:
        if OmegaConf.select(science, key) is None:
            raise UserError(f"--over {key}: no setting of these runs that can change a result; check the spelling")
    ranked = f"metrics/val/{metric}"  # settings are chosen on validation
    y = wr.SummaryMetric(ranked)
    axes = {key: wr.SummaryMetric(NUMBERS[key]) if key in NUMBERS else wr.Config(key) for key in over}
    columns = [wr.ParallelCoordinatesPlotColumn(metric=x, display_name=key) for key, x in axes.items()]
    columns.append(wr.ParallelCoordinatesPlotColumn(metric=y, display_name=f"validation {metric}"))
    panels: list[Any] = [
        wr.ScatterPlot(title=f"validation {metric} against {key}", x=x, y=y) for key, x in axes.items()
    ]
    panels.append(wr.ParallelCoordinatesPlot(title=f"validation {metric}", columns=columns))
    panels.append(wr.ParameterImportancePlot(with_respect_to=ranked))
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"validation {metric} over {', '.join(over)}: {' '.join(tags)}",
        sections=[
            ws.Section(name="Sweep", panels=panels, is_open=True),
            ws.Section(name="Curves", panels=[*_curves()], is_open=True),
        ],
        runset_settings=ws.RunsetSettings(filters=And(*(ws.Tags().isin([tag]) for tag in tags))),
    )


def describe(view: View) -> str:
    """Return the view's title, and a line for each group of panels that names its runs and its plots."""
    if isinstance(view, wr.Report):
        title, grids = view.title, [block for block in view.blocks if isinstance(block, wr.PanelGrid)]
        groups = [(", ".join(runset.name for runset in grid.runsets), grid.panels) for grid in grids]
    else:
        title, groups = view.name, [(section.name, section.panels) for section in view.sections]
    return "\n".join([title, *(f"  {name}: {', '.join(map(_kind, panels))}" for name, panels in groups)])


def save(view: View) -> str:
    """Save the view online and return its address; raise UserError if the server refuses or does not answer."""
    import wandb

    try:
        view.entity = view.entity or str(wandb.Api().default_entity)
        view.save()
        return view.url
    except Exception as error:  # the library and the client below it raise many kinds
        raise UserError(f"W&B did not save it: {error}") from None


def as_json(view: View) -> str:
    """Return what `save` sends to the server."""
    return view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True, indent=1)


def _bars(spec: Spec, panel: Panel) -> list[wr.BarPlot]:
    spread: dict[str, Any] = {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev", "max_runs_to_show": MOST}
    columns = spec.metrics_of(panel).items()
    return [wr.BarPlot(title=heading, metrics=[f"metrics/test/{column}"], **spread) for column, heading in columns]


def _curves() -> list[wr.LinePlot]:
    return [
        wr.LinePlot(title=title, x=f"{stage}/epoch", y=[f"{stage}/{name}" for name in names], max_runs_to_show=MOST)
        for title, (stage, names) in CURVES.items()
    ]


def _kind(panel: Any) -> str:
    title = getattr(panel, "title", None)
    return type(panel).__name__ + (f" ({title})" if title else "")
