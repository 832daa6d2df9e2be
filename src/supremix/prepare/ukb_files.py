"""Find UK Biobank's scans by their names: T1, of the first imaging visit; and name the columns of its exports.

UK Biobank calls a file EID_FIELD_VISIT_NUMBER, and what is made of it EID_FIELD_VISIT_NUMBER_words or EID_words. Visits
(instances) count from 0, and 2 is the first at which scans were taken.
"""

import re
from itertools import pairwise
from pathlib import Path

from supremix.errors import UserError
from supremix.prepare.shared.marker import MARKER
from supremix.prepare.shared.report import Finding, dropped

FIELD, VISIT = "20252", "2"
ID_COLUMNS = ("eid", "subject", "f.eid", "participant.eid", "Participant ID")
AGE_COLUMNS = dict.fromkeys(
    (
        "age",
        "21003-2.0",
        "p21003_i2",
        "f.21003.2.0",
        "participant.p21003_i2",
        "Age when attended assessment centre | Instance 2",
    ),
    1.0,
)
NAME = re.compile(r"(?P<eid>\d+)(?P<rest>(?:\D.*)?)(?P<kind>\.zip|\.nii|\.nii\.gz)")
PLACE = re.compile(r"_(?:(?P<field>\d{3,6})_)?(?P<visit>\d)_\d+(?![^_.-])")
WORD_FOR_VISIT = re.compile(r"(?:ses|session|visit|instance|inst|i)[_-]?0*(?P<visit>\d+)", re.IGNORECASE)
OTHER_IMAGES = re.compile(
    r"t2.*|.*flair|swi|qsm|dmri|dwi|dti|fa|md|[rt]?fmri|bold|rest|task.*|asl|pdw?|pet|ct|phase|fieldmap"
    r"|.*mask|.*seg|pve.*|labels?|parc.*|warp.*|field",
    re.IGNORECASE,
)


def find_files(source: Path, others: set[str], findings: list[Finding]) -> dict[str, list[str]]:
    """Map participants to the names of their T1 scans of the first imaging visit, the best first.

    A zip comes before a NIfTI file, a brain before a whole head. What is another file is added to `findings`.

    Args:
        others: names of files in the source that are no scans.
    """
    if not source.is_dir():
        raise UserError(f"{source}: no such folder: put the bulk files there, or name their folder with --source")
    files: dict[str, list[str]] = {}
    for path in sorted(source.iterdir()):
        if path.name in others or path.name == MARKER or path.name.startswith("."):
            continue
        named = NAME.fullmatch(path.name)
        if named is None or not path.is_file() or (named["kind"] == ".zip" and not PLACE.fullmatch(named["rest"])):
            findings.append(dropped("no EID_20252_2_0.zip, EID*.nii.gz or EID*.nii", path.name))
        elif fault := _fault(named["rest"]):
            findings.append(dropped(fault, path.name, named["eid"]))
        else:
            files.setdefault(named["eid"], []).append(path.name)
    return {eid: sorted(names, key=_rank) for eid, names in files.items()}


def _fault(rest: str) -> str | None:
    """Say what makes a file, by what its name has after the EID, another one than the T1 scan of the first visit."""
    places = list(PLACE.finditer(rest))
    fields = [place["field"] for place in places if place["field"] not in (None, FIELD)]
    if fields:
        return f"scan of another field than {FIELD} ({fields[0]})"
    words = re.split(r"[_.-]", PLACE.sub("", rest))
    # A word and its number may stand apart, as in ses-3.
    named = [WORD_FOR_VISIT.fullmatch(word) for word in [*words, *map("_".join, pairwise(words))]]
    visits = [match["visit"] for match in [*places, *named] if match and match["visit"] != VISIT]
    if visits:
        return f"scan of another visit than the first ({visits[0]}; the first imaging visit is {VISIT})"
    other = next((word for word in words if OTHER_IMAGES.fullmatch(word)), None)
    return f"no T1 scan by its name ({other})" if other else None


def _rank(name: str) -> tuple[bool, bool, str]:
    return not name.endswith(".zip"), "brain" not in name.lower(), name
