"""Runs on a file of one's own."""

from supremix.settings import identity
from supremix.settings.compose import CONF, composed


def test_a_run_is_the_same_wherever_its_file_lies():
    def science(path, *overrides):
        given = ["dataset=table", f"dataset.path={path}", "dataset.label=y", *overrides]
        return identity.scientific(composed(CONF, given))

    assert science("a/houses.csv") == science("/data/b/houses.csv")
    assert science("a/houses.csv")["dataset"]["name"] == "houses"
    assert science("a/houses.csv") != science("a/houses.csv", "dataset.drop=[x]")
