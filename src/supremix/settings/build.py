"""From config nodes to objects: the one place that instantiates them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from supremix.data.dataset import Data, read_ahead
from supremix.data.rows import permute_labels, training_subset
from supremix.errors import UserError, one_line


def build(key: str, node: DictConfig | None, **derived: Any) -> Any:
    """Instantiate a config node with values derived from the data; a wrong value becomes one line naming the key.

    No node gives None. What is built in part, an optimizer that waits for its parameters, does the same when called.
    """
    with naming(key):
        built = instantiate(node, **derived)
    if not isinstance(built, partial):
        return built

    def completed(*arguments: Any) -> Any:
        with naming(key):
            return built(*arguments)

    return completed


@contextmanager
def naming(key: str) -> Iterator[None]:
    """What a config node's values make its target raise, as a UserError that names the node."""
    try:
        yield
    except (InstantiationException, ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{key}: {one_line(cause)}; `python -m supremix.train --cfg job` shows its settings") from error


def loaded_data(cfg: DictConfig) -> Data:
    """The dataset with what its config says of its rows: which of them are used, and with whose labels."""
    subset: Any = OmegaConf.to_container(cfg.dataset.subset)
    data = training_subset(build("dataset.load", cfg.dataset.load), seed=cfg.seed, **subset)
    data = read_ahead(data, cfg.trainer.workers)
    return data if cfg.dataset.permute_labels is None else permute_labels(data, cfg.dataset.permute_labels)


def contrastive_loss(cfg: DictConfig, data: Data) -> nn.Module | None:
    """The method's loss; ``label_range: train`` in its config stands for the range of the training labels."""
    node = cfg.method.loss
    if node is None:
        return None
    derived = {"label_range": data.label_range} if node.get("label_range") == "train" else {}
    return build("method.loss", node, **derived)
