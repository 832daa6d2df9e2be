"""Stand in for a command in a page's script: ask the test's process, print its answer, end with its code."""

import json
import os
import socket
import subprocess
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.environ["PAGE_SOCKET"])
    with server.makefile("rw") as channel:
        channel.write(json.dumps([*sys.argv[1:], os.getcwd(), os.environ.get("RUN", "")]) + "\n")
        channel.flush()
        out, error, code = json.loads(channel.readline())
sys.stderr.write(error)
if sys.argv[1] == "make":
    sys.exit(subprocess.run(["bash", "-exuo", "pipefail", "-c", out]).returncode)
sys.stdout.write(out)
sys.exit(code)
