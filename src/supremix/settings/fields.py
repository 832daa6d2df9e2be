"""Types of single settings. Each has a sentence, the end of an error message, for the values that do not fit."""

from collections.abc import Callable
from typing import Annotated, Any, NotRequired

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)  # fmt: skip
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

GROUP = "it is a group of settings, not a value: set the keys below it"
SENTENCES = {
    "bool_type": "use true or false",
    "string_type": "give a name",
    "string_too_short": "give a name",
    "dict_type": GROUP,
    "model_type": GROUP,
    "missing": "the key is missing: leave out the override that removes it, or write it into the config",
    "extra_forbidden": "nothing reads this key: check the spelling",
}
"""Sentences for pydantic's types of errors."""


def sentence(error: Any) -> str:
    """Return what to do about an error, as pydantic lists it."""
    return SENTENCES.get(error["type"]) or error["msg"]


MISFIT, PROBLEM = "misfit", "problem"
"""Types of this module's errors: the text says what to give in place of a value, or what is wrong in it."""


def misfit(text: str) -> PydanticCustomError:
    """Return an error whose sentence is this text."""
    return PydanticCustomError(MISFIT, "{text}", {"text": text})


def problem(text: str) -> PydanticCustomError:
    """Return an error that this text tells in full."""
    return PydanticCustomError(PROBLEM, "{text}", {"text": text})


def says(change: Callable[[str], str]) -> WrapValidator:
    """Change the sentence for a value that a type refuses; errors below the value keep theirs."""

    def validate(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError as error:
            first = error.errors()[0]
            if first["loc"]:
                raise
            raise misfit(change(sentence(first))) from None

    return WrapValidator(validate)


def give(text: str) -> WrapValidator:
    """Make this sentence the message for every value that a type refuses."""
    return says(lambda _: text)


def only(fits: Callable[[Any], bool], text: str) -> BeforeValidator:
    """Refuse with this sentence, before a type looks at them, the values that do not fit."""

    def validate(value: Any) -> Any:
        if not fits(value):
            raise misfit(text)
        return value

    return BeforeValidator(validate)


def choice(*names: str) -> BeforeValidator:
    """Refuse all but these names."""
    return only(lambda value: value in names, f"use one of {', '.join(names)}")


OR_NULL = says(lambda text: f"{text}, or null")
"""For ``X | None``: the sentence of X with the other way out."""

LARGEST = 2**63 - 1
"""The largest whole number that PyTorch counts with."""


def whole(least: int, most: int = LARGEST) -> tuple[Any, ...]:
    """Return the marks of an int from ``least`` to ``most``."""
    return Field(ge=least, le=most), says(lambda text: _bounded(text, least, most))


def _bounded(text: str, least: int, most: int) -> str:
    return f"give {most} at most" if text == f"{AT_MOST}{most}" else f"give a whole number, {least} or more"


AT_MOST = "Input should be less than or equal to "
"""What pydantic says of a number that is too large."""

Whole = Annotated[int, *whole(0)]
Whole1 = Annotated[int, *whole(1)]
Whole2 = Annotated[int, *whole(2)]
# More than these would fill a machine before a run is seen to ask too much.
Threads = Annotated[int, *whole(1, 1024)]
Readers = Annotated[int, *whole(0, 1024)]
Views = Annotated[int, *whole(1, 1000)]
HistogramBins = Annotated[int, *whole(1, 100_000)]
HardestPairs = Annotated[int, *whole(1, 10_000_000)]
Number = Annotated[float, Field(ge=0), give("give a number, 0 or more")]
Norm = Annotated[float, Field(gt=0), give("give a number above 0")]
Part = Annotated[float, Field(gt=0, le=1), give("give a number above 0, 1 at most")]
Minutes = Annotated[float, Field(ge=0), give("give a number of minutes, 0 or more")]
Seconds = Annotated[
    float, Field(gt=0, le=1e6, allow_inf_nan=False), give("give a number of seconds above 0, at most a million")
]
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Name], give("give a list of names, as in [pilot,gpu]")]


class Node(TypedDict):
    """A config node of which `settings.build` makes an object; its other keys are arguments, checked by the object."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    _target_: Name


class LoadNode(Node):
    """A node that loads a dataset."""

    split_seed: NotRequired[Whole]


class OptimizerNode(Node):
    """A node that makes an optimizer of parameters."""

    lr: NotRequired[Number]
    weight_decay: NotRequired[Number]


SchedulerNode = Annotated[
    Node,
    only(
        lambda value: isinstance(value, dict) and not str(value.get("_target_")).endswith("ReduceLROnPlateau"),
        "give a group with the _target_ of a scheduler that goes by the epoch alone, not ReduceLROnPlateau",
    ),
]
"""A node that makes a scheduler of an optimizer."""
