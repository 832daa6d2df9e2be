"""Read the space of a search from overrides in Hydra's own words."""

from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep

from supremix.errors import UserError
from supremix.settings.overrides import key_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def split(overrides: list[str]) -> "tuple[dict[str, BaseDistribution], list[str]]":
    """Return the space by key, and the overrides with a single value; UserError for those that trials cannot use."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space: dict[str, BaseDistribution] = {}
    fixed = []
    given = set()
    for parsed in OverridesParser.create().parse_overrides(overrides):
        line = str(parsed.input_line)
        key, value = line.partition("=")[0], parsed.value()
        bare = key_of(line)
        if bare == "seed":
            raise UserError(f"{line}: every trial runs with the same seeds: use --seeds")
        if bare in given:
            raise UserError(f"{line}: {bare} is given twice: leave out one")
        given.add(bare)
        if isinstance(value, Glob):
            raise UserError(f"{line}: a search has no patterns: list the names, with commas between them")
        if isinstance(value, IntervalSweep):
            try:
                low, high, log = value.start or 0, value.end or 0, "log" in value.tags
                if isinstance(low, int) and isinstance(high, int):  # int(interval(8,64))
                    space[key] = IntDistribution(low, high, log=log)
                else:
                    space[key] = FloatDistribution(float(low), float(high), log=log)
            except ValueError as error:
                raise UserError(f"{line}: {error}") from None
        elif parsed.is_sweep_override():
            space[key] = CategoricalDistribution(list(parsed.sweep_string_iterator()))
        else:
            fixed.append(line)
    if not space:
        raise UserError(
            "nothing to search: give a key several values or an interval, such as "
            "'method.temperature=tag(log,interval(0.1,5))' 'method.beta=[2,8],[8,2]'"
        )
    return space, fixed
