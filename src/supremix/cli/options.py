"""Options that the sub-commands share."""

from supremix.errors import UserError


def seeds_of(text: str | None) -> list[int] | None:
    """The seeds of an option ``--seeds 0,1,2``; None where it is not given."""
    parts = [part.strip() for part in text.split(",")] if text is not None else []
    if not all(part.isdecimal() for part in parts) or len({*map(int, parts)}) < len(parts):
        raise UserError(f"--seeds {text}: give whole numbers, 0 or more, each once, with commas between them")
    return [int(part) for part in parts] or None


def hydra_overrides(leftovers: list[str]) -> list[str]:
    """What a script's parser left, all of it overrides; UserError for an option that the script does not have."""
    for argument in leftovers:
        if argument.startswith("--"):
            raise UserError(f"unknown option {argument}: see --help")
    return leftovers
