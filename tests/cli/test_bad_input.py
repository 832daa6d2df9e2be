"""A corpus of broken input: each case ends with a code, one line that says what, where and the way out, and no harm."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra

from supremix.cli.main import main
from supremix.settings.provenance import present_code
from supremix.suite.plan import Checksums, ids
from supremix.training.checkpoint import Checkpoints
from tests.cli.bad import HERE, Case, arrays, commands, configs, stores, surroundings, tables, written
from tests.running import SMALL, config, run_small, without_verdict

THEMES = {
    "configs": configs,
    "written": written,
    "tables": tables,
    "arrays": arrays,
    "stores": stores,
    "commands": commands,
    "surroundings": surroundings,
}
CORPUS = [pytest.param(case, id=f"{theme}: {case.name}") for theme, module in THEMES.items() for case in module.CASES]
QUICK = [f"dataset.recipe.{stage}.epochs=1" for stage in ("pretrain", "vanilla", "adapt")]
OWN_PROCESS = [
    (configs, "seed=null"),
    (tables, "NaN feature"),
    (commands, "table: mistyped override"),
    (commands, "uci_airfoil --source /nowhere"),
]


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A store with a SupReMix run, its encoder, and a Vanilla run."""
    folder = tmp_path_factory.mktemp("finished")
    for method in ("supremix", "vanilla"):
        run_small(folder, *QUICK, f"method={method}")
    return folder / "runs"


@pytest.fixture
def folder(finished, tmp_path, monkeypatch) -> Path:
    """A folder for a case, with a copy of the store; raw and prepared data would be in it too."""
    shutil.copytree(finished, tmp_path / "runs")
    for name, place in (("DATA", "raw"), ("PREPARED", "prepared"), ("RUNS", "runs")):
        monkeypatch.setenv(f"SUPREMIX_{name}", str(tmp_path / place))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command_line(case: Case, folder: Path) -> list[str]:
    """The case's arguments; those of the driver after the ones that make runs small."""
    given = [argument.replace(HERE, str(folder)) for argument in case.arguments]
    if case.command != "train":
        return given
    options = [argument for argument in given if argument.startswith("-")]
    return [*options, *SMALL, *QUICK, *(argument for argument in given if argument not in options)]


def called(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Run the command in this process; its exit code, and what it and its end print on stderr."""
    arguments, err = [*case.command.split(), *command_line(case, folder)], io.StringIO()
    monkeypatch.setattr(sys, "argv", ["supremix", *arguments])
    # Hydra composes twice, the first time to see whether the config sets the mode, which it does not.
    monkeypatch.setattr(Hydra, "get_mode", lambda *_, **__: None)
    with redirect_stdout(io.StringIO()), redirect_stderr(err), case.during(folder):
        try:
            code = main(arguments)
        except SystemExit as stop:  # with a text, the interpreter prints it and exits with 1
            code = stop.code
    said = err.getvalue().splitlines()
    return (1, [*said, code]) if isinstance(code, str) else (code or 0, said)


def finished_files(folder: Path) -> dict[Path, tuple[int, str]]:
    """Every file of finished runs, encoders and tables, with its time and content."""
    places = [*(done.parent for done in (folder / "runs").rglob("DONE")), folder / "out"]
    files = [path for place in places for path in place.glob("*")]
    return {path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}


def check(case: Case, code: int, said: list[str]) -> None:
    """One line tells the mistake, last; of a usage error it is the last of the usage."""
    assert code == case.code, said
    assert "Traceback" not in "\n".join(said)
    if case.code == 1:
        assert [line for line in said if line.startswith("error: ")] == said[-1:], said
    else:
        assert said[0].startswith("usage: "), said
    for word in case.words:
        assert word in said[-1]


@pytest.mark.parametrize("case", CORPUS)
def test_each_is_told_in_one_line_and_harms_nothing(case, folder, monkeypatch):
    case.damage(folder)
    before, done = finished_files(folder), set((folder / "runs").rglob("DONE"))
    code, said = called(case, folder, monkeypatch)
    check(case, code, said)
    after = finished_files(folder)
    assert {path: after.get(path) for path in before} == before
    for new in set((folder / "runs").rglob("DONE")) - done:  # at most the encoder, and that whole
        assert new.parents[1].name == "encoders"
        assert (new.parent / "backbone.safetensors").is_file()
    assert not (folder / "harm").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "name"), OWN_PROCESS, ids=[name for _, name in OWN_PROCESS])
def test_some_as_a_user_runs_them(theme, name, folder):
    (case,) = [case for case in theme.CASES if case.name == name]
    case.damage(folder)
    command = [sys.executable, "-m", "supremix.cli", *case.command.split(), *command_line(case, folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    check(case, result.returncode, result.stderr.splitlines())


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_is_on_it_stays(folder):
    """A file system of 300 kB in a mount namespace of its own, with the finished store on it."""
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    disk = folder / "disk"
    disk.mkdir()
    mounted = f"mount -t tmpfs -o size=300k none {disk}"
    if shutil.which("unshare") is None or subprocess.run([*inside, mounted], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    arguments = " ".join([*SMALL, *QUICK, "seed=1", "'dataset.recipe.backbone.hidden=[300,300]'", f"paths.runs={disk}"])
    script = (
        f"{mounted}; cp -a {folder}/runs/* {disk}; code=0; {sys.executable} -m supremix.train {arguments} || code=$?; "
        f"diff -r -x '*.partial' {folder}/runs {disk} && find {disk} -path '*.partial/*' -printf '%f\\n' && exit $code"
    )
    result = subprocess.run([*inside, script], capture_output=True, text=True, timeout=120, check=False)
    case = Case("full disk", ["encoders", "cannot be written", "No space left on device", stores.ELSEWHERE])
    check(case, result.returncode, result.stderr.splitlines())
    assert result.stdout == "run.log\n"  # diff is silent, and of the failed run its log alone is left


def test_a_poisoned_checkpoint_is_refused_by_name_and_executes_nothing(folder, monkeypatch):
    """Nothing that a user must mend: as from any damaged one, the run goes on from before it."""

    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(folder / "harm"),)

    cfg = config(folder, *QUICK, "seed=1")
    _, pretrain_id = ids(cfg, [Checksums().of(cfg)[0]])
    partial = folder / "runs" / "encoders" / f"{pretrain_id}.partial" / present_code()["digest"]
    partial.mkdir(parents=True)
    Checkpoints(partial, "pretrain", 0).save(1, 1, {"parts": Harm()})
    code, said = called(Case("poisoned", [], ["seed=1"]), folder, monkeypatch)
    assert code == 0
    assert len(without_verdict("\n".join(said))) == 1
    for word in ("warning: ", str(partial), "not a whole checkpoint", "going on from the beginning of pretrain"):
        assert word in said[0]
    assert not (folder / "harm").exists()
    assert (folder / "runs" / "encoders" / pretrain_id / "DONE").exists()


def test_the_corpus_is_large_and_its_cases_differ():
    names = [param.id for param in CORPUS]
    assert len(names) == len(set(names)) >= 60
