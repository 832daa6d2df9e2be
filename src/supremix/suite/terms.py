"""What the words of a table and a record mean, in a line each; docs/terms.md has the same lines."""

import re

TERMS = {
    "best": "at the epoch with the best validation value",
    "last": "at the last epoch",
    "linear probe": "a linear head on the features of a network that is not trained further",
    "ridge": "the linear probe in closed form: ridge regression on the features, its strength chosen on validation",
    "knn": "the mean label of the five training rows nearest in features, weighted by 1/distance",
    "GM": "geometric mean of the absolute errors, in which a few large errors count less than in the MAE",
    "slope": "of errors against labels; below 0 where predictions are drawn to the mean",
    "corrected": "without the bias that validation rows show",
    "rank": "effective rank: over how many directions the features spread; on a line it is 1",
    "spearman": "whether two series have the same order; of features: whether rows far in label are far in features",
    "anchor": "a row as the contrastive loss sees it, beside all others of its batch",
    "Mix-pos": "a mixture of two rows, with labels below and above the anchor's, that has its label: drawn to it",
    "Mix-neg": "a mixture of the anchor and a row of another label: pushed away",
    "shot": "how many training rows have a label: many, medium, few",
}


def legend(text: str) -> list[str]:
    """Return a line for each term that is in a text."""
    words = {name: rf"(?<![a-z]){name}(?![a-z])" for name in TERMS}
    return [f"{name}: {TERMS[name]}" for name, word in words.items() if re.search(word, text, re.IGNORECASE)]
