"""Download a published raw file."""

import hashlib
import http.client
import urllib.request
import uuid
from pathlib import Path

from supremix.errors import UserError


def download(target: Path, url: str, expected_sha256: str) -> None:
    """Fetch `url` to `target`; raise UserError, and leave nothing there, unless it has the expected SHA-256."""
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            raw = response.read()
        if hashlib.sha256(raw).hexdigest() != expected_sha256:
            raise ValueError("its SHA-256 is not the published one")
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(raw)
        part.replace(target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(
            f"{target}: not there, and the download failed ({error}): get it from {url} and put it there, "
            "or name its folder with --source"
        ) from error
    finally:
        part.unlink(missing_ok=True)
