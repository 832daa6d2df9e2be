"""How targets count in a run's identity: by registered names, by addresses, and a user's by their code."""

import importlib
import pkgutil
import re

import pytest

from supremix import data, losses, models, training
from supremix.losses import SupReMixLoss
from supremix.settings.compose import CONF
from supremix.settings.targets import stable_name, with_stable_names
from tests.running import forget_modules

OURS = re.compile(r"\bsupremix\.[\w.]+\.\w+")


def targets_in_conf():
    """Every address of the project's in the configs, comments left out."""
    lines = [line.partition(" #")[0] for path in CONF.rglob("*.yaml") for line in path.read_text().splitlines()]
    return sorted({address for line in lines for address in OURS.findall(line)})


@pytest.fixture
def user_code(tmp_path, monkeypatch):
    """A folder of the user's modules; a function that writes one."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()

    yield write
    forget_modules(tmp_path)


def test_every_target_of_the_project_has_a_name_of_its_own():
    names = {target: stable_name(target) for target in targets_in_conf()}
    assert len(names) >= 18
    assert all(re.fullmatch(r"[a-z]+/\w+", name) for name in names.values()), names
    assert len(set(names.values())) == len(names)


def test_no_registered_name_is_used_twice():
    owners = {}
    for unit in (data, losses, models, training):
        for module in pkgutil.walk_packages(unit.__path__, f"{unit.__name__}."):
            for found in vars(importlib.import_module(module.name)).values():
                if callable(found) and "registered_name" in getattr(found, "__dict__", {}):
                    owners.setdefault(found.registered_name, set()).add(f"{found.__module__}.{found.__qualname__}")
    assert {name: places for name, places in owners.items() if len(places) > 1} == {}
    assert {stable_name(target) for target in targets_in_conf()} <= set(owners)


def test_a_target_is_known_by_every_address_and_what_follows_its_name_counts():
    assert stable_name("supremix.losses.SupReMixLoss") == stable_name("supremix.losses.supremix.SupReMixLoss")
    assert stable_name("supremix.losses.SupReMixLoss.count_positives") == "loss/supremix.count_positives"


def test_a_subclass_does_not_answer_with_its_parents_name(monkeypatch):
    class Derived(SupReMixLoss):
        pass

    monkeypatch.setattr("supremix.losses.Derived", Derived, raising=False)
    assert stable_name("supremix.losses.Derived") == "supremix.losses.Derived"


def test_installed_classes_and_what_is_not_there_count_by_address():
    for target in (
        "torch.optim.Adam",
        "sklearn.linear_model.RidgeCV",
        "os.system",
        "no.such.Thing",
        "supremix.Nothing",
    ):
        assert stable_name(target) == target


def test_targets_are_replaced_at_any_depth_and_nothing_else():
    node = {"loss": {"_target_": "supremix.losses.SupConLoss", "temperature": 1}, "views": [{"_target_": "os.system"}]}
    assert with_stable_names(node) == {
        "loss": {"_target_": "loss/supcon", "temperature": 1},
        "views": [{"_target_": "os.system"}],
    }


PLAIN = "import helpers\n\nclass Loss:\n    def __call__(self, x):\n        return helpers.twice(x)\n"
HELPERS = "import json\n\ndef twice(x):\n    return 2 * x\n"


def test_a_users_class_counts_by_its_code_and_that_of_the_users_modules_that_it_imports(user_code):
    def name():
        return stable_name("my_loss.Loss")

    user_code("my_loss.py", PLAIN)
    user_code("helpers.py", HELPERS)
    first = name()
    assert re.fullmatch(r"Loss@[0-9a-f]{16}", first)
    user_code("my_loss.py", f'"""What it is."""\n# a comment\n{PLAIN.replace("x):", "x ):  # another")}')
    user_code("helpers.py", HELPERS.replace("x):\n", 'x):\n    """Twice it."""\n'))
    user_code("unrelated.py", "VALUE = 1\n")
    assert name() == first
    user_code("helpers.py", HELPERS.replace("2 * x", "3 * x"))
    second = name()
    assert second != first
    user_code("my_loss.py", PLAIN.replace("helpers.twice(x)", "-helpers.twice(x)"))
    assert len({first, second, name()}) == 3


@pytest.mark.parametrize(
    "statement",
    ["from .inner import deep", "from pack.inner import deep", "from pack import inner", "import pack.inner"],
)
def test_imports_within_a_users_package_are_followed(user_code, statement):
    user_code("pack/__init__.py", "")
    user_code("pack/losses.py", f"def load():\n    {statement}\n\nclass Loss: pass\n")
    user_code("pack/inner.py", "import outside\n")
    user_code("outside.py", "deep = 1\n")
    first = stable_name("pack.losses.Loss")
    user_code("outside.py", "deep = 2\n")
    second = stable_name("pack.losses.Loss")
    user_code("pack/__init__.py", "import os\n")
    assert len({first, second, stable_name("pack.losses.Loss")}) == 3


def test_a_moved_module_of_the_project_does_not_change_what_imports_it(user_code):
    user_code("mine.py", "from supremix.losses.supcon import SupConLoss\n\nclass Loss(SupConLoss): pass\n")
    first = stable_name("mine.Loss")
    user_code("mine.py", "from supremix.elsewhere import SupConLoss\n\nclass Loss(SupConLoss): pass\n")
    assert stable_name("mine.Loss") == first
    user_code("mine.py", "from supremix.losses.supcr import SupCRLoss as SupConLoss\n\nclass Loss(SupConLoss): pass\n")
    assert stable_name("mine.Loss") != first


def test_a_cycle_of_imports_ends(user_code):
    user_code("one.py", "import other\n\nclass Loss: pass\n")
    user_code("other.py", "import one\n")
    assert stable_name("one.Loss").startswith("Loss@")
