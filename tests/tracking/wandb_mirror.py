"""A process that mirrors 30 epochs to W&B, stops after the third until a line comes in, and prints its times as JSON.

python -m tests.tracking.wandb_mirror MODE FOLDER RUN_ID
"""

import json
import sys
import time
from types import SimpleNamespace

from supremix.runtime import log
from supremix.tracking.mirror import Tracker

FINISH_TIMEOUT = 1.0


def main(mode: str, folder: str, run_id: str) -> None:
    log.show()
    about = {"project": "supremix", "group": "g", "job_type": "j"}
    settings = SimpleNamespace(mode=mode, dir=folder, finish_timeout=FINISH_TIMEOUT, **about)
    tracker = Tracker(settings, run_id, {"seed": 0}, ["a tag"])
    for epoch in range(1, 31):
        if epoch == 4:
            assert tracker._background.caught_up(30)
            print(json.dumps({"service": service(), "started": tracker._run is not None}), flush=True)
            sys.stdin.readline()
            began = time.monotonic()
        tracker.log("pretrain", epoch, {"loss": 1 / epoch})
    logged = time.monotonic()
    tracker.finish({"test/best/mae": 1.0})
    print(json.dumps({"log": logged - began, "finish": time.monotonic() - logged}), flush=True)


def service() -> int:
    """The process id of wandb's helper."""
    from wandb.sdk import wandb_setup

    return wandb_setup.singleton()._connection._proc._process.pid


if __name__ == "__main__":
    main(*sys.argv[1:])
