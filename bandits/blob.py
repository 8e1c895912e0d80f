"""Posteriors as bytes: a header with version and checksum, then a JSON index and the arrays, compressed.

Layout: 8 bytes magic, 2 bytes version (big endian), 32 bytes SHA-256 of the rest, then zlib of
[4 bytes length of the index | index | array bytes, little endian, C order]. Nothing in it is executed.
"""

import hashlib
import json
import zlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from bandits.arrays import FloatArray
from bandits.design import Design

if TYPE_CHECKING:
    from bandits.posterior import Posterior

MAGIC = b"LVRDPOST"
VERSION = 2
_HEADER = len(MAGIC) + 2 + 32
_DTYPES = {"<f8": np.float64, "<i8": np.int64, "|b1": np.bool_}


class PosteriorFormatError(ValueError):
    """These bytes cannot be read as a posterior."""


class UnsupportedVersionError(PosteriorFormatError):
    """The bytes were written by another version of the format."""


class CorruptPosteriorError(PosteriorFormatError):
    """The bytes are cut short or damaged."""


def pack(posterior: "Posterior") -> bytes:
    values = {field.name: getattr(posterior, field.name) for field in fields(posterior)}
    design: Design = values.pop("design")
    scalars = {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
    scalars["factors"], scalars["contexts_sizes"] = list(design.factors), list(design.contexts)
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    arrays["allowed"] = design.allowed
    arrays["root"] = arrays["root"][np.tril_indices(len(arrays["root"]))]  # lower triangular: half of it is zero
    index: dict[str, Any] = {"scalars": scalars, "arrays": []}
    chunks = []
    for name, array in arrays.items():
        dtype = np.dtype(array.dtype).newbyteorder("<")
        index["arrays"].append([name, dtype.str, list(array.shape)])
        chunks.append(np.ascontiguousarray(array, dtype).tobytes())
    head = json.dumps(index, separators=(",", ":")).encode()
    body = zlib.compress(len(head).to_bytes(4, "big") + head + b"".join(chunks), 1)
    return MAGIC + VERSION.to_bytes(2, "big") + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> dict[str, Any]:
    """The fields of a posterior.

    Raises:
        UnsupportedVersionError, CorruptPosteriorError, PosteriorFormatError: what is wrong with the bytes.
    """
    data = bytes(data)
    if not data.startswith(MAGIC):
        raise PosteriorFormatError("not a stored posterior: the magic bytes are missing")
    if len(data) < _HEADER:
        raise CorruptPosteriorError("the stored posterior is cut short")
    version = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2], "big")
    if version != VERSION:
        raise UnsupportedVersionError(
            f"the stored posterior has format version {version}, this code reads {VERSION}: train a new version"
        )
    body = data[_HEADER:]
    if hashlib.sha256(body).digest() != data[len(MAGIC) + 2 : _HEADER]:
        raise CorruptPosteriorError("the stored posterior is damaged: its checksum does not match")
    raw = zlib.decompress(body)
    head = int.from_bytes(raw[:4], "big")
    index = json.loads(raw[4 : 4 + head])
    values: dict[str, Any] = dict(index["scalars"])
    position = 4 + head
    for name, dtype, shape in index["arrays"]:
        count = int(np.prod(shape))
        array = np.frombuffer(raw, np.dtype(dtype), count, position).astype(_DTYPES[dtype]).reshape(shape)
        position += count * np.dtype(dtype).itemsize
        values[name] = array
    values["design"] = Design(values.pop("factors"), values.pop("contexts_sizes"), values.pop("allowed"))
    values["root"] = _lower_triangle(values["root"], len(values["coefficients"]))
    return values


def _lower_triangle(entries: FloatArray, size: int) -> FloatArray:
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = entries
    return matrix
