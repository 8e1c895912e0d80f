"""What each connector needs to know to reach a customer's warehouse. Secrets stay out of `repr`, so out of logs.

    connectors.postgres.Postgres(PostgresConfig, *, hostaddr: str)
    connectors.duckdb.DuckDB(DuckDBConfig, *, directory: Path)
    connectors.snowflake.Snowflake(SnowflakeConfig)
    connectors.bigquery.BigQuery(BigQueryConfig)

`hostaddr` is the IP address that was vetted for the host; `directory` the one that the operator allows. What is wrong
with a config itself is an InvalidRequest from the constructor, which opens no connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class PostgresConfig:
    """`sslmode` as libpq's; `verify-full` checks the certificate against `host`."""

    host: str
    database: str
    username: str
    password: str = field(repr=False)
    port: int = 5432
    sslmode: str = "prefer"


@dataclass(frozen=True)
class DuckDBConfig:
    """A database file; a relative `path` begins in the directory that the operator allows.

    A query may take `memory_limit`, then as much as `disk_limit` of a temporary directory.
    """

    path: str
    memory_limit: str = "2GB"
    disk_limit: str = "20GB"
    threads: int = 2


@dataclass(frozen=True)
class SnowflakeConfig:
    """Either `password` or `private_key` (PEM; with `passphrase` if it is encrypted).

    `host`, `port` and `protocol` are for servers other than Snowflake's own: tests and private links.
    They must not come from a customer unchecked.
    """

    account: str
    username: str
    warehouse: str
    database: str
    schema: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    role: str | None = None
    host: str | None = None
    port: int | None = None
    protocol: str = "https"


@dataclass(frozen=True)
class BigQueryConfig:
    """`service_account`: the JSON key as Google hands it out; its `project_id` pays for the queries.

    `dataset` is where tables without a dataset are looked up. `endpoint` is for servers other than Google's (tests,
    private endpoints), which then issue the tokens too; it must not come from a customer unchecked.
    """

    service_account: Mapping[str, object] = field(repr=False)
    dataset: str | None = None
    location: str | None = None
    endpoint: str | None = None
    maximum_bytes_billed: int = 100 * GIGABYTE
