"""A server that answers what Google's BigQuery client asks, out of a DuckDB in memory: in GoogleSQL, by way of sqlglot.

It issues tokens for one service account, runs jobs in threads, and stops those that are cancelled or out of time.
"""

import contextlib
import datetime as dt
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import jwt
import sqlglot
from sqlglot import exp

BYTES = 10_000_000  # that every query is said to read
_TYPES = {
    "VARCHAR": "STRING", "BIGINT": "INTEGER", "INTEGER": "INTEGER", "HUGEINT": "INTEGER", "DOUBLE": "FLOAT",
    "BOOLEAN": "BOOLEAN", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TIMESTAMP": "DATETIME", "DATE": "DATE",
    "JSON": "JSON",
}  # fmt: skip
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Refused(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    def body(self) -> dict[str, Any]:
        error = {"reason": self.reason, "message": str(self), "location": "query"}
        return {"error": {"code": self.status, "message": str(self), "errors": [error], "status": "INVALID_ARGUMENT"}}


@dataclass
class Job:
    resource: dict[str, Any]
    engine: duckdb.DuckDBPyConnection
    columns: list[dict[str, str]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, str] | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def run(self, sql: str, params: list[Any]) -> None:
        limit = self.resource["configuration"].get("jobTimeoutMs")
        timer = threading.Timer(float(limit) / 1000 if limit else 600, self.engine.interrupt)
        timer.start()
        try:
            self.rows = [
                {"f": [{"v": _encoded(v)} for v in row]} for row in self.engine.execute(sql, params).fetchall()
            ]
        except duckdb.InterruptException:
            self.error = {"reason": "stopped", "message": "Job execution was cancelled"}
        except duckdb.Error as error:
            self.error = {"reason": "invalidQuery", "message": str(error).partition("\n")[0]}
        finally:
            timer.cancel()
            self.done.set()

    def told(self) -> dict[str, Any]:
        status: dict[str, Any] = {"state": "DONE" if self.done.is_set() else "RUNNING"}
        if self.error:
            status |= {"errorResult": self.error, "errors": [self.error]}
        return self.resource | {"status": status}


class BigQueryServer:
    """`dataset` holds the tables; `jobs` is what ran."""

    def __init__(self, project: str, dataset: str, public_key: str) -> None:
        self.project, self.dataset, self.public_key = project, dataset, public_key
        self.jobs: dict[str, Job] = {}
        self.database = duckdb.connect(":memory:")
        self.database.execute("SET TimeZone = 'UTC'")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "BigQueryServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        for job in self.jobs.values():
            job.engine.interrupt()
        self._server.shutdown()
        self._server.server_close()

    # --- what is asked --------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> dict[str, Any]:
        if path == "/token":
            return self.token(body)
        parts = path.removeprefix(f"/bigquery/v2/projects/{self.project}").strip("/").split("/")
        match method, parts:
            case "POST", ["jobs"]:
                return self.insert(body)
            case "GET", ["jobs", job]:
                return self.jobs[job].told()
            case "POST", ["jobs", job, "cancel"]:
                self.jobs[job].engine.interrupt()
                return {"job": self.jobs[job].told()}
            case "GET", ["queries", job]:
                return self.results(self.jobs[job], query)
            case "GET", ["datasets"]:
                return {"datasets": [{"datasetReference": self.reference(name)} for name in self.datasets()]}
            case "GET", ["datasets", dataset, "tables"]:
                names = [name for schema, name in self.tables() if schema == dataset]
                return {"tables": [{"tableReference": self.reference(dataset) | {"tableId": n}} for n in names]}
            case "GET", ["datasets", dataset, "tables", table]:
                if (dataset, table) not in self.tables():
                    raise Refused(404, "notFound", f"Not found: Table {self.project}:{dataset}.{table}")
                columns = self._columns(self.database.cursor(), f'SELECT * FROM "{dataset}"."{table}"', [])
                return {"tableReference": self.reference(dataset) | {"tableId": table}, "schema": {"fields": columns}}
        raise Refused(404, "notFound", f"Not found: {method} {path}")

    def token(self, form: str) -> dict[str, Any]:
        try:
            jwt.decode(
                parse_qs(form)["assertion"][0], self.public_key, algorithms=["RS256"], options={"verify_aud": False}
            )
        except jwt.PyJWTError:
            raise Refused(400, "invalid_grant", "Invalid JWT Signature.") from None
        return {"access_token": "opened", "expires_in": 3600, "token_type": "Bearer"}

    def insert(self, body: dict[str, Any]) -> dict[str, Any]:
        configuration = body["configuration"]
        query = configuration["query"]
        sql, params, kind = self.translated(query["query"], query.get("queryParameters", []))
        engine = self.database.cursor()
        engine.execute(f"SET schema = '{query.get('defaultDataset', {}).get('datasetId', self.dataset)}'")
        columns = self._columns(engine, sql, params)
        statistics = {
            "query": {"statementType": kind, "totalBytesProcessed": str(BYTES), "schema": {"fields": columns}}
        }
        resource = {
            "kind": "bigquery#job", "id": body["jobReference"]["jobId"], "configuration": configuration,
            "jobReference": body["jobReference"] | {"location": "EU"},
            "statistics": statistics | {"totalBytesProcessed": str(BYTES)},
        }  # fmt: skip
        job = Job(resource, engine, columns)
        if configuration.get("dryRun"):
            job.done.set()
            return job.told()
        self.jobs[body["jobReference"]["jobId"]] = job
        threading.Thread(target=job.run, args=(sql, params), daemon=True).start()
        return job.told()

    def results(self, job: Job, query: dict[str, str]) -> dict[str, Any]:
        job.done.wait(min(float(query.get("timeoutMs", 10_000)) / 1000, 10))
        reference = {"jobReference": job.resource["jobReference"], "kind": "bigquery#getQueryResultsResponse"}
        if not job.done.is_set():
            return reference | {"jobComplete": False}
        if job.error:
            raise Refused(400, job.error["reason"], job.error["message"])
        start = int(query.get("pageToken") or query.get("startIndex") or 0)
        end = start + min(int(query.get("maxResults", 100)), 100)
        more = {"pageToken": str(end)} if end < len(job.rows) else {}
        told = {"jobComplete": True, "schema": {"fields": job.columns}, "totalRows": str(len(job.rows))}
        return reference | told | more | {"rows": job.rows[start:end]}

    # --- GoogleSQL to DuckDB --------------------------------------------------------------------------------------

    def translated(self, sql: str, parameters: list[dict[str, Any]]) -> tuple[str, list[Any], str]:
        given = {p["name"]: (p["parameterType"]["type"], p["parameterValue"].get("value")) for p in parameters}
        try:
            statements = [s for s in sqlglot.parse(sql, dialect="bigquery") if s is not None]
        except sqlglot.ParseError as error:
            raise Refused(400, "invalidQuery", f"Syntax error: {error.errors[0]['description']}") from None
        if len(statements) != 1:
            return "SELECT 1", [], "SCRIPT"
        (tree,) = statements
        params = []
        for node in list(tree.find_all(exp.Parameter)):
            kind, value = given[node.name]
            params.append(value)
            mark = exp.Parameter(this=exp.convert(len(params)))
            node.replace(exp.cast(mark, exp.DataType.build(kind, dialect="bigquery")))
        if not isinstance(tree, exp.Query):
            return "SELECT 1", [], tree.key.upper()
        return tree.sql("duckdb"), params, "SELECT"

    def _columns(self, engine: duckdb.DuckDBPyConnection, sql: str, params: list[Any]) -> list[dict[str, str]]:
        try:
            described = engine.execute(f"DESCRIBE {sql}", params).fetchall()
        except duckdb.Error as error:
            raise Refused(400, "invalidQuery", str(error).partition("\n")[0]) from None
        return [
            {
                "name": name,
                "type": _TYPES.get(kind, "NUMERIC" if kind.startswith("DECIMAL") else "STRING"),
                "mode": "NULLABLE",
            }
            for name, kind, *_ in described
        ]

    def tables(self) -> list[tuple[str, str]]:
        sql = "SELECT table_schema, table_name FROM information_schema.tables"
        return [(schema, name) for schema, name in self.database.cursor().execute(sql).fetchall()]

    def datasets(self) -> list[str]:
        return sorted({schema for schema, _ in self.tables()})

    def reference(self, dataset: str) -> dict[str, str]:
        return {"projectId": self.project, "datasetId": dataset}

    # --- HTTP -----------------------------------------------------------------------------------------------------

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer: Callable[..., dict[str, Any]] = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                url = urlsplit(self.path)
                text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                as_json = "json" in self.headers.get("Content-Type", "")
                try:
                    if url.path != "/token" and self.headers.get("Authorization") != "Bearer opened":
                        raise Refused(401, "authError", "Request had invalid authentication credentials.")
                    query = {key: values[0] for key, values in parse_qs(url.query).items()}
                    status, told = (
                        200,
                        answer(self.command, url.path, query, json.loads(text) if as_json and text else text),
                    )
                except Refused as refused:
                    token = {"error": refused.reason, "error_description": str(refused)}
                    status, told = refused.status, token if url.path == "/token" else refused.body()
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the tests hang up
                    self.wfile.write(body)

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def _encoded(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime) and value.tzinfo:
        return str((value - _EPOCH) // dt.timedelta(microseconds=1))
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)
