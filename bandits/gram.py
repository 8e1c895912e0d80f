"""Weighted cross products of a model matrix that is kept in one-hot space."""

from collections.abc import Sequence

import numpy as np

from bandits.arrays import FloatArray, IntArray

# Rough costs of one core, used only to choose between two ways to the same numbers.
_SECONDS_PER_FLOP = 1e-10
_SECONDS_PER_BINCOUNT = 1.2e-5
_SECONDS_PER_COUNTED_ROW = 2e-9
_DENSE_ENTRIES = 4_000_000  # 32 MB: the largest matrix that is worth holding


class OneHotMatrix:
    """X = [Z_1 C_1, Z_2 C_2, ...]: Z_j the one-hot matrix of `indices[j]`, C_j = `codings[j]`.

    Blocks of X'WX are C_i' (Z_i'WZ_j) C_j, and Z_i'WZ_j is a two-way table, a weighted `bincount`: O(rows) per pair of
    terms instead of O(rows x columns^2). Small problems are multiplied out instead, where that is cheaper.

    Args:
        codings: matrices (one-hot size, width).
        indices: int arrays (rows,), one per coding.
        rows: number of rows.
    """

    def __init__(self, codings: Sequence[FloatArray], indices: Sequence[IntArray], rows: int) -> None:
        self.codings, self.indices, self.rows = list(codings), list(indices), rows
        self.offsets = np.cumsum([0, *(coding.shape[1] for coding in codings)])
        self.columns = int(self.offsets[-1])
        pairs = len(self.codings) * (len(self.codings) + 1) / 2
        one_hot = pairs * (_SECONDS_PER_BINCOUNT + rows * _SECONDS_PER_COUNTED_ROW)
        multiplied = rows * self.columns**2 * _SECONDS_PER_FLOP
        self.dense: FloatArray | None = None
        if rows * self.columns <= _DENSE_ENTRIES and multiplied <= one_hot:
            self.dense = np.ascontiguousarray(self.take(np.arange(rows)).T)

    def take(self, rows: IntArray) -> FloatArray:
        """The named rows of X, multiplied out."""
        blocks = [coding[index[rows]] for coding, index in zip(self.codings, self.indices, strict=True)]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(rows), 0))

    def dot(self, coefficients: FloatArray) -> FloatArray:
        """X b, (rows,)."""
        if self.dense is not None:
            return coefficients @ self.dense
        result = np.zeros(self.rows)
        for j, (coding, index) in enumerate(zip(self.codings, self.indices, strict=True)):
            result += (coding @ coefficients[self.offsets[j] : self.offsets[j + 1]])[index]
        return result

    def transposed_dot(self, values: FloatArray) -> FloatArray:
        """X' g, (columns,)."""
        if self.dense is not None:
            return self.dense @ values
        result = np.empty(self.columns)
        for j, (coding, index) in enumerate(zip(self.codings, self.indices, strict=True)):
            result[self.offsets[j] : self.offsets[j + 1]] = sums(index, values, len(coding)) @ coding
        return result

    def gram(self, weights: FloatArray) -> FloatArray:
        """X' diag(weights) X for weights >= 0, (columns, columns)."""
        if self.dense is not None:
            scaled = self.dense * np.sqrt(weights)
            return scaled @ scaled.T  # the same operand twice: BLAS does half the work
        result = np.empty((self.columns, self.columns))
        for i, (left, rows) in enumerate(zip(self.codings, self.indices, strict=True)):
            at = slice(self.offsets[i], self.offsets[i + 1])
            for j in range(i, len(self.codings)):
                right, to = self.codings[j], slice(self.offsets[j], self.offsets[j + 1])
                block = left.T @ two_way(rows, self.indices[j], weights, len(left), len(right)) @ right
                result[at, to] = block
                result[to, at] = block.T
        return result

    def cross(self, weights: FloatArray, other: FloatArray) -> FloatArray:
        """X' diag(weights) Y for a dense Y, (columns, Y's columns)."""
        if self.dense is not None:
            return self.dense @ (other * weights[:, None])
        width = other.shape[1]
        weighted = (other * weights[:, None]).ravel()
        result = np.empty((self.columns, width))
        for j, (coding, index) in enumerate(zip(self.codings, self.indices, strict=True)):
            positions = (index[:, None] * width + np.arange(width)).ravel()
            table = sums(positions, weighted, len(coding) * width).reshape(len(coding), width)
            result[self.offsets[j] : self.offsets[j + 1]] = coding.T @ table
        return result

    def grouped(self, weights: FloatArray, group: IntArray, groups: int) -> FloatArray:
        """sum of weights x row over the rows of each group, (groups, columns)."""
        result = np.empty((groups, self.columns))
        for j, (coding, index) in enumerate(zip(self.codings, self.indices, strict=True)):
            result[:, self.offsets[j] : self.offsets[j + 1]] = (
                two_way(group, index, weights, groups, len(coding)) @ coding
            )
        return result


def two_way(rows: IntArray, columns: IntArray, weights: FloatArray, n_rows: int, n_columns: int) -> FloatArray:
    """Weighted two-way table, (n_rows, n_columns)."""
    return sums(rows * n_columns + columns, weights, n_rows * n_columns).reshape(n_rows, n_columns)


def sums(index: IntArray, weights: FloatArray, size: int) -> FloatArray:
    """Sum of the weights at each index, (size,)."""
    result: FloatArray = np.bincount(index, weights, minlength=size).astype(np.float64, copy=False)
    return result


def distinct(codes: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """The distinct codes of 0..size-1 in order, and the position of each code among them; sorts where most lack."""
    if size > 4 * len(codes):
        return np.unique(codes, return_inverse=True)
    present = np.bincount(codes, minlength=size) > 0
    return np.flatnonzero(present), (np.cumsum(present) - 1)[codes]
