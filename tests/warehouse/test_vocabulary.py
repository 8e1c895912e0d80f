"""The list of what is allowed names things that the parser has, and nothing of the list of what is forbidden."""

import pytest
from sqlglot import exp

from warehouse.sql import parse, vocabulary


def test_every_name_is_one_of_the_parsers() -> None:
    assert not [name for name in vocabulary._SYNTAX | vocabulary._FUNCTIONS if not hasattr(exp, name)]
    assert not [name for name in vocabulary._TYPES if name not in exp.DType.__members__]


def test_the_lists_do_not_contradict_each_other() -> None:
    classes = [getattr(exp, name) for name in vocabulary._FUNCTIONS]
    names = {c.sql_name().lower() for c in classes if issubclass(c, exp.Func)} | vocabulary.BY_NAME
    assert not [name for name in names if parse._FORBIDDEN.match(name)]
    assert not [w for w in parse._WRITES if w.__name__ in vocabulary._SYNTAX]


@pytest.mark.parametrize(
    "name", ["ReadCSV", "GenerateSeries", "Unnest", "CurrentUser", "Rand", "Repeat", "Pad", "JSONTable"]
)
def test_some_functions_stay_out(name: str) -> None:
    assert hasattr(exp, name)
    assert name not in vocabulary._FUNCTIONS | vocabulary._SYNTAX
