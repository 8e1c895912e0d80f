"""Logs as files: CSV with a header, or JSON lines, read row by row in bounded memory, with line numbers."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import orjson

from levered_site.errors import InvalidRequest

FORMATS = ("csv", "jsonl")
MAX_LINE = 1024 * 1024


@dataclass(frozen=True)
class LogRow:
    """One row. `content` is the same for the same values whenever they are read; `end` counts the file's bytes so far.

    A row that cannot be read has a `problem` and no values.
    """

    line: int
    values: dict[str, Any]
    content: bytes
    end: int
    problem: str = ""


def format_of(path: Path) -> str:
    """The format that a file's name tells."""
    endings = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
    if path.suffix.lower() not in endings:
        raise InvalidRequest(f"{path.name} does not tell its format; name it with --format {' or '.join(FORMATS)}.")
    return endings[path.suffix.lower()]


def columns_of(path: Path, file_format: str) -> list[str]:
    """The columns of a CSV file, or the fields of the first row of JSON lines."""
    with path.open("rb") as file:
        if file_format == "csv":
            return next(csv.reader(_Lines(file)), [])
        first = next((row for row in _json_rows(file) if not row.problem), None)
        return list(first.values) if first else []


def read_log(path: Path, file_format: str) -> Iterator[LogRow]:
    with path.open("rb") as file:
        yield from _csv_rows(file) if file_format == "csv" else _json_rows(file)


class _Lines:
    """A file's lines as text. Bytes that are not UTF-8 become surrogates, so that one bad row stays one bad row."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.end = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE)
        if not line:
            raise StopIteration
        start, self.end = self.end, self.end + len(line)
        return line.decode("utf-8-sig" if start == 0 else "utf-8", "surrogateescape")


def _csv_rows(file: BinaryIO) -> Iterator[LogRow]:
    lines = _Lines(file)
    reader = csv.reader(lines)
    columns = next(reader, [])
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield LogRow(line, {}, b"", lines.end, f"This is not CSV: {error}.")
            continue
        if not fields:
            continue  # a blank line
        if len(fields) != len(columns):
            told = f"This row has {len(fields)} fields, the header {len(columns)}."
            yield LogRow(line, {}, b"", lines.end, told)
            continue
        try:
            content = msgspec.json.encode(fields)
        except UnicodeEncodeError:
            yield LogRow(line, {}, b"", lines.end, "This row is not UTF-8.")
            continue
        yield LogRow(line, dict(zip(columns, fields, strict=True)), content, lines.end)


def _json_rows(file: BinaryIO) -> Iterator[LogRow]:
    end = number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        end += len(line)
        if len(line) == MAX_LINE:
            while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                end += len(rest)
            end += len(rest)
            yield LogRow(number, {}, b"", end, "This line is longer than 1 MB.")
            continue
        content = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not content:
            continue
        try:
            values = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            yield LogRow(number, {}, b"", end, f"This line is not JSON: {error.msg}.")
            continue
        if isinstance(values, dict):
            yield LogRow(number, values, content, end)
        else:
            yield LogRow(number, {}, b"", end, "This line is not a JSON object.")
