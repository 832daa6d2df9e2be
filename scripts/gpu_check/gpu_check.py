"""Rehearse everything on a GPU in at most six minutes: its tests, the losses, and training at full size.

Runs from a source tree without installation, with any Python 3.11 or newer that has PyTorch:
``python3 scripts/gpu_check/gpu_check.py``. Each section is a process of its own with a time limit; where one fails the
others go on, and the exit code is 1. Figures are in the output folder as soon as they are measured.
"""

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from xml.etree import ElementTree

from gpu_report import Report

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = {"tests": 115, "loss": 35, "resnet50": 70, "resnet18_3d": 45, "bilstm": 35, "compiled": 60}
"""The sections, in their order, and the seconds that each may take."""
PACKAGES = {
    "torch": "torch", "torchvision": "torchvision", "lightning_fabric": "lightning-fabric==2.6.*", "numpy": "numpy",
    "hydra": "hydra-core==1.3.8", "omegaconf": "omegaconf==2.3.*", "antlr4": "antlr4-python3-runtime==4.9.3",
    "pydantic": "pydantic", "pydantic_core": "pydantic-core", "annotated_types": "annotated-types",
    "typing_inspection": "typing-inspection", "pandas": "pandas", "scipy": "scipy", "sklearn": "scikit-learn",
    "joblib": "joblib", "safetensors": "safetensors", "argcomplete": "argcomplete", "rich": "rich", "pytest": "pytest",
}  # fmt: skip
"""What the check imports, and what pip calls it."""


def main() -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench", help="folder of gpu.json and gpu.md")
    parser.add_argument("--device", default="cuda", help="cpu rehearses the check itself (default %(default)s)")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny for a rehearsal")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)  # what the processes are started with
    options = parser.parse_args()
    if options.section:
        return run_section(options)
    report = Report(options.out)
    report.begin(about(options))
    failed = []
    for section in options.only:
        started = time.perf_counter()
        code = (
            tests(options, report)
            if section == "tests"
            else process(
                section,
                [
                    sys.executable,
                    __file__,
                    "--section",
                    section,
                    "--out",
                    str(options.out),
                    "--device",
                    options.device,
                    "--size",
                    options.size,
                ],
            )
        )
        took = time.perf_counter() - started
        report.took(section, took)
        print(f"== {section}: {'done' if code == 0 else f'FAILED with code {code}'}, {took:.0f} s\n", flush=True)
        failed += [section] if code else []
    report.failed(failed)
    print(report.text())
    return 1 if failed else 0


def about(options: argparse.Namespace) -> dict[str, str]:
    """Print what is missing; return what the figures are of."""
    missing = [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        wanted = " ".join(f"'{name}'" for name in missing)
        print(f"missing, and what needs it will fail: python3 -m pip install {wanted}\n", flush=True)
    facts = {"device": options.device, "size": options.size, "python": sys.version.split()[0]}
    facts |= {"missing": ", ".join(missing) or "nothing"}
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        card, driver, memory = subprocess.run(query, capture_output=True, text=True, timeout=30).stdout.split(",")[:3]
        facts |= {"card": card.strip(), "driver": driver.strip(), "memory": memory.splitlines()[0].strip()}
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        facts |= {"card": "none found by nvidia-smi"}
    return facts


def process(section: str, command: list[str], **environment: str) -> int:
    """Run a command with the source tree on its path, at most for the section's time. Returns its exit code."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH")]))
    started = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path} | environment, start_new_session=True
    )
    try:
        return started.wait(SECTIONS[section])
    except subprocess.TimeoutExpired:
        print(f"{section}: stopped after {SECTIONS[section]} s", flush=True)
        return 124
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def tests(options: argparse.Namespace, report: Report) -> int:
    """Run every test marked ``cuda``. Returns pytest's exit code; with no test run, 1."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-m", "cuda", "tests/cuda", "-q", "--tb=short", "--durations=8"]
        command += ["-p", "no:cacheprovider", f"--junitxml={result}"]
        command += ["-n", "4"] if importlib.util.find_spec("xdist") and (os.cpu_count() or 1) >= 8 else []
        code = process("tests", command, SUPREMIX_CUDA_TESTS_ON=options.device, CUBLAS_WORKSPACE_CONFIG=":4096:8")
        if not result.is_file():
            return code or 1
        suite = ElementTree.parse(result).getroot().find("testsuite")
    assert suite is not None
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    report.add("tests", "cuda", **counts)
    for case in suite.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            report.add("tests", case.get("name", ""), outcome="failed")
    return code or int(counts["tests"] == counts["skipped"])


def run_section(options: argparse.Namespace) -> int:
    """Measure a section in this process. Returns the exit code."""
    import faulthandler

    faulthandler.dump_traceback_later(SECTIONS[options.section] - 2, exit=True)
    try:
        import torch

        device, report = torch.device(options.device), Report(options.out)
        if device.type == "cuda":
            report.add_about(torch=torch.__version__, cudnn=str(torch.backends.cudnn.version()))
        if options.section == "loss":
            from gpu_loss import measure
        else:
            from gpu_train import measure
        measure(report, options.section, device, options.size)
    except Exception:
        traceback.print_exc()
        return 1
    return 1 if report.attempts_failed else 0


if __name__ == "__main__":
    sys.exit(main())
