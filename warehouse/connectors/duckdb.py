"""A DuckDB file: attached read-only to an engine in memory that sees no other file, no network and no settings.

Every query has an engine of its own (about ten milliseconds), so limits and interrupts are its own too. A file that
another process holds open for writing cannot be read: DuckDB's own rule.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from levered_site.errors import InvalidRequest, Unavailable
from warehouse.connectors.base import SHORT_SECONDS, Query, Rows
from warehouse.connectors.config import DuckDBConfig
from warehouse.connectors.extras import needed
from warehouse.connectors.running import Stopped
from warehouse.connectors.shared import MAX_COLUMNS, CustomersWarehouse

if TYPE_CHECKING:
    import duckdb

_CATALOG = "warehouse"
_LOCKS = """
USE warehouse;
SET TimeZone = 'UTC';
SET enable_external_access = false;
SET python_enable_replacements = false;
SET lock_configuration = true;
"""
_COLUMNS = f"""
SELECT schema_name, table_name, column_name, data_type, 'main' FROM duckdb_columns()
WHERE database_name = '{_CATALOG}' AND NOT internal
ORDER BY schema_name <> 'main', schema_name, table_name, column_index LIMIT {MAX_COLUMNS}
"""  # noqa: S608  (constants)


class DuckDB(CustomersWarehouse):
    """`directory` is the only one that files may lie in, links followed."""

    dialect = "duckdb"
    catalogue = _COLUMNS

    def __init__(self, config: DuckDBConfig, *, directory: Path) -> None:
        super().__init__()
        with needed("duckdb"):
            import duckdb  # noqa: F401
        self.config, self.directory = config, directory
        self._file()

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        import duckdb

        with self._engine() as engine, self._running.bounded(engine.interrupt, timeout) as stopped:
            try:
                statements = engine.extract_statements(query.text)
                if [s.type for s in statements] != [duckdb.StatementType.SELECT]:
                    raise InvalidRequest("Only one SELECT is allowed.")
                engine.execute(statements[0], list(query.params))
                rows = engine.fetchall() if limit is None else engine.fetchmany(limit) if limit else []
                return Rows(tuple(str(column[0]) for column in engine.description or ()), rows)
            except duckdb.Error as error:
                raise _told(error, stopped) from error

    def _file(self) -> Path:
        """Looked up anew for every query: a link may have been changed."""
        with suppress(ValueError, OSError):  # a null character, a circle of links
            file = (self.directory / self.config.path).resolve(strict=True)
            if file.is_relative_to(self.directory.resolve()) and file.is_file():
                return file
        raise InvalidRequest("There is no such file in the directory that the operator allows.")

    @contextmanager
    def _engine(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        import duckdb

        with TemporaryDirectory(prefix="levered-duckdb-") as spill:  # its own: DuckDB lets SQL into it
            options: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": self.config.memory_limit, "threads": self.config.threads,
                "temp_directory": spill, "max_temp_directory_size": self.config.disk_limit,
                "autoinstall_known_extensions": False, "autoload_known_extensions": False,
                "allow_community_extensions": False,
            }  # fmt: skip
            name = str(self._file()).replace("'", "''")
            with duckdb.connect(":memory:", config=options) as engine:
                try:
                    engine.execute(f"ATTACH '{name}' AS {_CATALOG} (READ_ONLY, TYPE duckdb)")
                except duckdb.Error as error:
                    if "lock" in str(error):
                        raise Unavailable("The file is being written by another process.") from error
                    raise InvalidRequest(f"'{self.config.path}' cannot be opened as a DuckDB database.") from error
                engine.execute(_LOCKS)
                yield engine


def _told(error: Exception, stopped: Stopped) -> InvalidRequest | Unavailable:
    import duckdb

    if stopped.reason or isinstance(error, duckdb.InterruptException):
        return stopped.told()
    if isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.InternalException):
        return Unavailable("The warehouse does not answer.")
    message = str(error).partition("\n")[0]
    return InvalidRequest(f"The warehouse refused the query: {message}")
