"""The clients of warehouses that not everybody has: packages of `requirements-warehouses.txt`, imported when used."""

from collections.abc import Iterator
from contextlib import contextmanager

from levered_site.errors import InvalidRequest


@contextmanager
def needed(package: str) -> Iterator[None]:
    """Around an import: without the package, InvalidRequest says what the operator has to install."""
    try:
        yield
    except ImportError as error:
        raise InvalidRequest(
            f"The package '{package}' is not installed on this server:"
            f" pip install {package}, as pinned in requirements-warehouses.txt."
        ) from error
