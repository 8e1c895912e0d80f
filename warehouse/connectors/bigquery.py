"""BigQuery: a dry run tells what a query is and costs, then a job runs that is bounded in time and in bytes.

The tokens come from Google and nowhere else: a service account's JSON names a server to send signed requests to, which
is not followed.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from levered_site.errors import InvalidRequest, Unavailable
from warehouse.connectors.base import SHORT_SECONDS, Column, Query, Rows, Table
from warehouse.connectors.config import GIGABYTE, BigQueryConfig
from warehouse.connectors.extras import needed
from warehouse.connectors.shared import CustomersWarehouse

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, QueryJob, QueryJobConfig

    from warehouse.connectors.bigquery_session import BoundedSession

CONNECT_SECONDS = 10
GRACE_SECONDS = 2
MAX_DATASETS = 100
MAX_TABLES = 2_000

_TOKENS = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/bigquery"
_TYPES: dict[type, str] = {bool: "BOOL", int: "INT64", float: "FLOAT64", str: "STRING", datetime: "TIMESTAMP"}
_TAKEN = ("type", "project_id", "private_key_id", "private_key", "client_email", "client_id")


class BigQuery(CustomersWarehouse):
    dialect = "bigquery"

    def __init__(self, config: BigQueryConfig) -> None:
        super().__init__()
        with needed("google-cloud-bigquery"):
            from google.cloud import bigquery  # noqa: F401
            from google.oauth2 import service_account
        info = {key: config.service_account[key] for key in _TAKEN if key in config.service_account}
        info["token_uri"] = f"{config.endpoint}/token" if config.endpoint else _TOKENS
        try:
            self._credentials = service_account.Credentials.from_service_account_info(info, scopes=[_SCOPE])
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidRequest("This is not the JSON key of a service account.") from error
        if not isinstance(info.get("project_id"), str):
            raise InvalidRequest("The service account's JSON names no project_id.")
        self.config, self.project = config, str(info["project_id"])

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        """A limit of 0 is answered by the dry run alone, which costs nothing."""
        self._session.longest = timeout + GRACE_SECONDS
        with self._told(timeout):
            columns = self._dry_run(query)
            if limit == 0:
                return Rows(columns, [])
            job = self._start(query, self._job(query, job_timeout_ms=math.ceil(timeout * 1000)))

            def stop() -> None:
                with suppress(Exception):  # whatever goes wrong, the job has a limit of its own
                    job.cancel(retry=None, timeout=CONNECT_SECONDS)

            with self._running.bounded(stop, timeout) as stopped:
                try:
                    found = job.result(max_results=limit, retry=self._retry, timeout=timeout + GRACE_SECONDS)
                    rows = [tuple(row.values()) for row in found]
                except Exception as error:
                    if stopped.reason:
                        raise stopped.told() from error
                    raise
            return Rows(columns, rows)

    def tables(self) -> list[Table]:
        """Without their columns, which are one question per table."""
        with self._told(SHORT_SECONDS):
            patient: dict[str, Any] = {"retry": self._retry, "timeout": CONNECT_SECONDS}
            names: list[str] = []
            for dataset in self._client.list_datasets(max_results=MAX_DATASETS, **patient):
                prefix = "" if dataset.dataset_id == self.config.dataset else f"{dataset.dataset_id}."
                listed = self._client.list_tables(dataset.reference, max_results=MAX_TABLES, **patient)
                names += [f"{prefix}{table.table_id}" for table in listed]
            return [Table(name) for name in sorted(names)]

    def columns(self, table: str) -> tuple[Column, ...] | None:
        from google.api_core.exceptions import NotFound

        name = f"{self.config.dataset}.{table}" if self.config.dataset and "." not in table else table
        with self._told(SHORT_SECONDS):
            try:
                found = self._client.get_table(f"{self.project}.{name}", retry=self._retry, timeout=CONNECT_SECONDS)
            except (NotFound, ValueError):  # a ValueError: the name has no dataset, or more parts than there are
                return None
            return tuple(Column(field.name, field.field_type) for field in found.schema)

    @cached_property
    def _client(self) -> "Client":
        from google.cloud import bigquery

        options = {"api_endpoint": self.config.endpoint} if self.config.endpoint else None
        return bigquery.Client(
            self.project,
            self._credentials,
            location=self.config.location,
            client_options=options,
            _http=self._session,
        )

    @cached_property
    def _session(self) -> "BoundedSession":
        from warehouse.connectors.bigquery_session import BoundedSession

        return BoundedSession(self._credentials, SHORT_SECONDS)

    @cached_property
    def _retry(self) -> Any:
        from google.cloud.bigquery import DEFAULT_RETRY

        return DEFAULT_RETRY.with_timeout(CONNECT_SECONDS)

    def _dry_run(self, query: Query) -> tuple[str, ...]:
        """The columns. Refuses what is not a SELECT, and what would read more than is allowed."""
        job = self._start(query, self._job(query, dry_run=True))
        if job.statement_type != "SELECT":
            raise InvalidRequest("Only one SELECT is allowed.")
        allowed, needs = self.config.maximum_bytes_billed, job.total_bytes_processed or 0
        if needs > allowed:
            message = f"The query would read {needs / GIGABYTE:,.1f} GB; {allowed / GIGABYTE:,.1f} GB are allowed."
            raise InvalidRequest(message)
        return tuple(field.name for field in job.schema or ())

    def _start(self, query: Query, config: "QueryJobConfig") -> "QueryJob":
        return self._client.query(
            query.text, job_config=config, retry=self._retry, job_retry=None, timeout=CONNECT_SECONDS
        )

    def _job(self, query: Query, **options: Any) -> "QueryJobConfig":
        from google.cloud import bigquery

        parameters = [
            bigquery.ScalarQueryParameter(f"p{i}", _TYPES.get(type(value), "STRING"), value)
            for i, value in enumerate(cast("tuple[Any, ...]", query.params), start=1)
        ]
        if self.config.dataset:
            options["default_dataset"] = f"{self.project}.{self.config.dataset}"
        return bigquery.QueryJobConfig(
            query_parameters=parameters,
            maximum_bytes_billed=self.config.maximum_bytes_billed,
            use_legacy_sql=False,
            labels={"application": "levered"},
            **options,
        )

    @contextmanager
    def _told(self, timeout: float) -> Iterator[None]:
        """Google's errors as ours."""
        import requests
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

        try:
            yield
        except (exceptions.ServerError, exceptions.TooManyRequests, exceptions.RetryError) as error:
            raise Unavailable("The warehouse does not answer.") from error
        except exceptions.GoogleAPICallError as error:
            says = next((e["message"] for e in error.errors or () if e.get("message")), error.message)
            raise InvalidRequest(f"The warehouse refused the query: {says.partition(chr(10))[0]}") from error
        except RefreshError as error:
            if error.retryable:
                raise Unavailable("The warehouse does not answer.") from error
            raise InvalidRequest("The warehouse refused the credentials of the service account.") from error
        except (TransportError, GoogleAuthError, requests.RequestException, OSError) as error:
            raise Unavailable("The warehouse does not answer.") from error
        except TimeoutError as error:
            raise Unavailable(f"The query did not end within {timeout:g} seconds.") from error
