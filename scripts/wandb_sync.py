"""Upload the W&B runs of the store that are not on the server yet, each once."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Anything else is a Hydra override, such as paths.runs=DIR or tracking.dir=DIR"
    )
    parser.add_argument("--dry-run", action="store_true", help="upload nothing: list what would be")
    options, overrides = parser.parse_known_args(arguments)

    from hydra.errors import HydraException

    from supremix.cli.options import hydra_overrides
    from supremix.errors import UserError, one_line
    from supremix.settings.compose import CONF, composed
    from supremix.store.folders import Store
    from supremix.tracking.mirror import has_key
    from supremix.tracking.uploads import pending, sync

    try:
        cfg = composed(CONF, hydra_overrides(overrides))
        folder = Path(cfg.tracking.dir) / "wandb"
        waiting = pending(folder, Store(cfg.paths.runs))
        print(f"{folder}: {len(waiting.ready)} to upload, {len(waiting.unfinished)} of runs that are not finished")
        if options.dry_run or not waiting.ready:
            print("".join(f"{path}\n" for path in waiting.ready.values()), end="")
            return 0
        if not has_key():
            raise UserError("no W&B key: run `wandb login`, or set WANDB_API_KEY")
        failed = sync(waiting, print)
        if failed:
            raise UserError(f"{len(failed)} of {len(waiting.ready)} not uploaded, try again later; first {failed[0]}")
    except (HydraException, UserError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
