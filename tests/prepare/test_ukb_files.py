"""Which of a participant's files is the T1 scan of the first imaging visit, and which column of a table is the age."""

from pathlib import Path

import pytest

from supremix.errors import UserError
from supremix.prepare import hcp_aging, ukb_files
from supremix.prepare.shared.report import Finding
from supremix.prepare.shared.subjects import match, read_ages

EID = "1000001"
VISIT, FIELD = "scan of another visit than the first", "scan of another field than 20252"
NAME, OTHER = "no EID_20252_2_0.zip, EID*.nii.gz or EID*.nii", "no T1 scan by its name"


def find(folder: Path, *names: str) -> tuple[dict[str, list[str]], list[Finding]]:
    for name in names:
        (folder / name).touch()
    findings: list[Finding] = []
    return ukb_files.find_files(folder, set(), findings), findings


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "rest",
    [
        "",
        "_T1",
        "_T1_brain",
        "_20252_2_0",
        "_20252_2_1",
        "_20252_2_0_T1_brain",
        "_2_0",
        "_2_0_T1w",
        "_T1_unbiased_brain",
        "-T1w",
        "_ses-2_T1w",
        "_ses-02_T1w",
        "_i2",
        "_instance2_T1",
        ".T1",
        "_T1_brain_to_MNI",
        "_mri",
        "_desc-restored_T1w",
        "_desc-preproc_T1w",
        "_T1_0.8mm",
    ],
)
def test_names_of_the_first_visits_t1_are_taken(tmp_path, rest, ending):
    files, findings = find(tmp_path, EID + rest + ending)
    assert (files, findings) == ({EID: [EID + rest + ending]}, [])


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("rest", "reason", "detail"),
    [
        ("_20252_3_0", VISIT, "3; the first imaging visit is 2"),
        ("_20252_3_0_T1_brain", VISIT, "3; "),
        ("_20252_0_0_T1", VISIT, "0; "),
        ("_3_0", VISIT, "3; "),
        ("_3_0_T1_brain", VISIT, "3; "),
        ("_T1_brain_3_0", VISIT, "3; "),
        ("_ses-3_T1w", VISIT, "3; "),
        ("_ses-03_T1w", VISIT, "3; "),
        ("_ses3", VISIT, "3; "),
        ("_ses-1_T1w", VISIT, "1; "),
        ("_T1_i3", VISIT, "3; "),
        ("_visit_3", VISIT, "3; "),
        ("_Instance-3", VISIT, "3; "),
        ("_20253_2_0", FIELD, "20253"),
        ("_20253_2_0_T1_brain", FIELD, "20253"),
        ("_T2_20253_2_0", FIELD, "20253"),
        ("_20227_3_0", FIELD, "20227"),
        ("_T2_FLAIR", OTHER, "T2"),
        ("_FLAIR_brain", OTHER, "FLAIR"),
        ("_T2w", OTHER, "T2w"),
        ("_20252_2_0_T1_brain_mask", OTHER, "mask"),
        ("_T1_brain_seg", OTHER, "seg"),
        ("_T1_fast_pve_0", OTHER, "pve"),
        ("_aparc+aseg", OTHER, "aparc+aseg"),
        ("_dMRI", OTHER, "dMRI"),
        ("_rfMRI_brain", OTHER, "rfMRI"),
        ("_task-faces_bold", OTHER, "task"),
        ("_SWI", OTHER, "SWI"),
        ("_dti_FA", OTHER, "dti"),
    ],
)
def test_other_visits_fields_and_images_are_left_out_by_name(tmp_path, rest, reason, detail, ending):
    files, (finding,) = find(tmp_path, EID + rest + ending)
    assert files == {}
    assert (finding.file, finding.action, finding.reason) == (EID + rest + ending, "dropped", reason)
    assert finding.detail.startswith(detail)
    assert finding.id == EID


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{EID}_20252_2_0.zip", None),
        (f"{EID}_20252_3_0.zip", VISIT),
        (f"{EID}_20253_2_0.zip", FIELD),
        (f"{EID}.zip", NAME),
        (f"{EID}_T1.zip", NAME),
        ("sub-1000001_T1w.nii.gz", NAME),
        (f"{EID}.mgz", NAME),
        (f"{EID}.nii.gz.part", NAME),
    ],
)
def test_zips_and_other_files(tmp_path, name, reason):
    files, findings = find(tmp_path, name)
    assert list(files) == ([] if reason else [EID])
    assert [finding.reason for finding in findings] == ([reason] if reason else [])


def test_of_several_scans_the_zip_comes_first_and_a_brain_before_a_head(tmp_path):
    names = [f"{EID}_20252_2_0.zip", f"{EID}_T1_brain.nii", f"{EID}_T1.nii"]
    files, _ = find(tmp_path, *reversed(names), "1000002_T1.nii", "1000002_T1_brain.nii.gz")
    assert files == {EID: names, "1000002": ["1000002_T1_brain.nii.gz", "1000002_T1.nii"]}
    findings: list[Finding] = []
    (tmp_path / "ages.csv").write_text(f"eid,age\n{EID},50\n1000002,51\n")
    ages = read_ages(tmp_path / "ages.csv", ukb_files.ID_COLUMNS, ukb_files.AGE_COLUMNS, findings)
    assert match(ages, files, [], findings) == [(EID, names[0]), ("1000002", "1000002_T1_brain.nii.gz")]
    assert [(f.file, f.detail) for f in findings] == [
        (names[1], f"{names[0]} was taken"),
        (names[2], f"{names[0]} was taken"),
        ("1000002_T1.nii", "1000002_T1_brain.nii.gz was taken"),
    ]


# ---- columns


def ages_of(path: Path, header: str, rows: str, columns=ukb_files) -> dict[str, float]:
    path.write_text(f"{header}\n{rows}\n", encoding="utf-8")
    read = read_ages(path, columns.ID_COLUMNS, columns.AGE_COLUMNS, [])
    return {subject: facts.age for subject, facts in read.items()}


@pytest.mark.parametrize(
    "header",
    [
        "eid,age",
        "eid,21003-2.0",
        "eid,p21003_i2",
        "\ufeffeid,p21003_i2",
        "f.eid,f.21003.2.0",
        "participant.eid,participant.p21003_i2",
        "Participant ID,Age when attended assessment centre | Instance 2",
    ],
)
def test_the_exports_of_the_biobank_are_read(tmp_path, header):
    assert ages_of(tmp_path / "ages.csv", header, f"{EID},61") == {EID: 61}


@pytest.mark.parametrize("others", ["p21003_i0", "21003-3.0", "p21003_i3,p21003_i1", "f.21003.0.0", "Age"])
def test_ages_at_other_visits_are_none(tmp_path, others):
    rows = EID + ",40" * (others.count(",") + 1)
    with pytest.raises(UserError, match=r"no column for the age: name it age or 21003-2.0 or p21003_i2"):
        ages_of(tmp_path / "ages.csv", f"eid,{others}", rows)
    assert ages_of(tmp_path / "ages.csv", f"eid,{others},p21003_i2", f"{rows},61") == {EID: 61}


@pytest.mark.parametrize(
    ("columns", "header", "what", "names"),
    [
        (ukb_files, "eid,age,21003-2.0", "the age", "age, 21003-2.0"),
        (ukb_files, "eid,p21003_i2,age", "the age", "age, p21003_i2"),
        (ukb_files, "eid,subject,age", "the subject", "eid, subject"),
        (hcp_aging, "subject,interview_age,age", "the age", "age, interview_age"),
        (hcp_aging, "src_subject_id,subject,age", "the subject", "subject, src_subject_id"),
    ],
)
def test_two_columns_for_one_thing_are_refused(tmp_path, columns, header, what, names):
    with pytest.raises(UserError, match=f"2 columns for {what}: {names}: leave the one that is meant"):
        ages_of(tmp_path / "ages.csv", header, f"{EID},61,62", columns)
