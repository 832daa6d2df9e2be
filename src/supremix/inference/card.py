"""The model card of a saved model."""

from typing import Any

from supremix.metrics.regression import METRICS
from supremix.runtime.terminal import shown

CARD = """\
---
library_name: supremix
tags: [regression, contrastive-learning, supremix]
license: other # to be filled in
---

# {dataset}: {label} by {method}

A regression model that supremix {version} trained: method {method}, protocol {protocol}, backbone {backbone},
seed {seed}, run `{id}`.{synthetic}

## Use

```python
import supremix

model = supremix.load("path/to/this/folder")
model.predict(rows)  # {rows}
model.embed(rows)    # features ({features} numbers a row)
```

`supremix predict path/to/this/folder rows.csv -o predictions.csv` does the same for a file.

## Data

{sizes}. Labels of the training rows span {label_range:g}.
SHA-256 of the data: `{sha256}`.

## Metrics

The epoch was chosen on validation; test rows were read once, at the end.

{metrics}

## Licence

To be filled in by who publishes the model, along with the licence of its data.
"""
ROWS = {
    "features": "a DataFrame with the training columns, or an array of them in order",
    "pixels": "uint8 images (rows, side, side, 3)",
    "voxels": "volumes (rows, side, side, side), values in [0, 1]",
    "parcels": "a list of arrays (frames, parcels)",
    "sentence_pairs": "a list of pairs of texts, or a DataFrame with sentence1 and sentence2",
}
"""Kind of a reader → what it takes; the others take the columns of the training file."""


def card(about: dict[str, Any], label: str, kind: str, features: int) -> str:
    """Return the card, Markdown.

    Args:
        about: what the model is, as its config.json has it.
        label: name of what it predicts.
        kind: of its reader of rows.
        features: of a row, for the heads.
    """
    run, data = about["run"], about["data"]
    return CARD.format(
        **{key: run[key] for key in ("dataset", "method", "protocol", "seed", "id")},
        version=about["supremix"],
        backbone=about["backbone"]["name"],
        label=label,
        synthetic=" **Its data are synthetic.**" if run["synthetic"] else "",
        rows=ROWS.get(kind, "a DataFrame with the columns of the training file"),
        features=features,
        sizes=", ".join(f"{count} {split} rows" for split, count in data["sizes"].items()),
        label_range=data["label_range"],
        sha256=data["sha256"],
        metrics=_metrics(about["metrics"]),
    )


def _metrics(metrics: dict[str, Any]) -> str:
    lines = ["| rows | head | " + " | ".join(METRICS) + " |", "|---|---|" + "---:|" * len(METRICS)]
    heads = {"best": "trained", "ridge": "ridge"}
    for split, variants in metrics.items():
        for variant, name in heads.items():
            if variant in variants:
                values = variants[variant]
                cells = ("–" if values.get(metric) is None else shown(values[metric]) for metric in METRICS)
                lines.append(f"| {split} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
