"""A stand-in for W&B's server on the loopback: what runs, ``wandb sync`` and dashboards need of its protocol."""

import gzip
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY = "somebody"


class Server(ThreadingHTTPServer):
    """Keeps what runs send. ``status`` is answered to everything, or to uploads of rows alone; ``silent``: nothing is.

    rows: run → the rows of its history; as on the real server, a client goes on after those that are there.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.runs: dict[str, dict[str, Any]] = {}
        self.views: list[dict[str, Any]] = []
        self.status = self.status_of_rows = 200
        self.silent = False
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Clients that go away are nothing to print."""

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.silent:
            self.closing.wait()
        status = self.status_of_rows if path.endswith("file_stream") else self.status
        if status != 200:
            return status, {"errors": [{"message": "refused"}]}
        if path.endswith("file_stream"):
            sent = json.loads(body).get("files", {}).get("wandb-history.jsonl")
            if sent:
                kept = self.rows[path.split("/")[-2]]
                kept[sent["offset"] :] = map(json.loads, sent["content"])
        return 200, {"data": self.graphql(json.loads(body))} if path == "/graphql" else {}

    def graphql(self, request: dict[str, Any]) -> dict[str, Any]:
        query, given = request["query"], request.get("variables", {})
        if "upsertBucket" in query:
            name = given["name"]
            self.runs.setdefault(name, {}).update({key: value for key, value in given.items() if value is not None})
            project = {"id": "p", "name": given.get("project"), "entity": {"id": "e", "name": ENTITY}}
            bucket = {"id": "b", "name": name, "displayName": name, "config": given.get("config"), "project": project}
            bucket |= {"description": None, "sweepName": None, "historyLineCount": len(self.rows[name])}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.url}/upload"} for name in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if "upsertView" in query:
            self.views.append(given)
            named = {key: given[key] for key in ("name", "type", "displayName", "description", "spec")}
            named["project"] = {"id": "p", "name": given["projectName"], "entityName": given["entityName"]}
            times = {"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}
            return {"upsertView": {"view": {"id": "view", **named, **times}, "inserted": True}}
        if "query GetProjects" in query:
            return {"models": {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}}
        if "upsertModel" in query:
            return {"upsertModel": {"project": None, "model": None, "inserted": True}}
        return {"viewer": {"id": "u", "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": {"edges": []}}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        status, content = self.server.answer(self.path, body)
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST


@contextmanager
def serving() -> Iterator[Server]:
    """A server until the block ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
