"""Designs: codes, exclusions, what a warehouse returns for a level."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizations.config import UNKNOWN, Config, Factor, context_cells, read_config, validate_config

TYPED = [
    Factor("s", "str", ("a", "1", "true", "é ü")),
    Factor("b", "bool", (False, True)),
    Factor("i", "int", (0, 1, -3)),
    Factor("f", "float", (0.5, 1, 2.25)),
]


def config(**changes: Any) -> Config:
    raw = {
        "design_factors": [
            {"name": "a", "levels": ["x", "y", "z"]},
            {"name": "b", "dtype": "bool", "levels": [False, True]},
        ],
        "context_factors": [{"name": "c", "dtype": "int", "levels": [1, 2]}],
    }
    return validate_config(raw, **changes)


@pytest.mark.parametrize("factor", TYPED, ids=lambda f: f.dtype)
def test_every_level_has_its_code(factor: Factor) -> None:
    assert [factor.code(level) for level in factor.levels] == list(range(len(factor.levels)))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("b", 1),
        ("b", "true"),
        ("i", True),
        ("i", "1"),
        ("i", 1.0),
        ("s", 1),
        ("f", True),
        ("f", "0.5"),
        ("s", None),
        ("s", ["a"]),
        ("s", {}),
    ],
)
def test_types_are_not_mixed_up(dtype: str, value: object) -> None:
    factor = next(f for f in TYPED if f.name == dtype)
    assert factor.code(value) == UNKNOWN


@pytest.mark.parametrize(
    ("dtype", "raw", "code"),
    [
        ("b", 1, 1), ("b", 0, 0), ("b", "true", 1), ("b", "f", 0), ("b", True, 1), ("b", "yes", UNKNOWN),
        ("i", "1", 1), ("i", 1.0, 1), ("i", "-3.0", 2), ("i", "x", UNKNOWN), ("i", "nan", UNKNOWN), ("i", "inf", UNKNOWN),
        ("f", "0.5", 0), ("f", 1, 1), ("f", "1.0", 1), ("f", "2.250", 2),
        ("s", "a", 0), ("s", 1, 1), ("s", "A", UNKNOWN), ("s", None, UNKNOWN),
    ],
)  # fmt: skip
def test_what_a_warehouse_returns(dtype: str, raw: object, code: int) -> None:
    assert next(f for f in TYPED if f.name == dtype).decode(raw) == code


def test_variants_count_in_c_order_from_the_baseline() -> None:
    design = config()
    everything = [
        dict(zip(("a", "b"), levels, strict=True)) for levels in itertools.product(("x", "y", "z"), (False, True))
    ]
    assert [design.props(v) for v in range(6)] == everything
    assert [design.variant_of(props) for props in everything] == [(v, None) for v in range(6)]
    assert design.key(3) == "a=y|b=true"
    assert context_cells(design) == [(0,), (1,)]


@pytest.mark.parametrize(
    ("props", "field"),
    [({"a": "x"}, "b"), ({"a": "w", "b": True}, "a"), ({"a": "x", "b": True, "d": 1}, "d"), ({"a": "x", "b": 1}, "b")],
)
def test_what_is_no_variant(props: dict[str, object], field: str) -> None:
    variant, issue = config().variant_of(props)
    assert variant == UNKNOWN
    assert issue is not None
    assert issue.field == field


def test_missing_and_unknown_contexts_are_average() -> None:
    assert config().context_codes({"c": 2, "unrelated": 1}) == (1,)
    assert (
        config().context_codes({})
        == config().context_codes({"c": 7})
        == config().context_codes({"c": "1"})
        == (UNKNOWN,)
    )


def test_a_mab_has_no_context() -> None:
    stored = config().as_json()
    assert read_config(stored, model_type="mab").context == ()
    assert len(read_config(stored, model_type="cmab").context) == 1


@given(st.lists(st.fixed_dictionaries({}, optional={"a": st.sampled_from("xyz"), "b": st.booleans()}), max_size=3))
def test_an_excluded_combination_excludes_exactly_its_matches(excluded: list[dict[str, Any]]) -> None:
    stored = config().as_json()
    design = read_config(stored, excluded)
    for variant in range(6):
        props = design.props(variant)
        matches = any(all(props[n] == level for n, level in combination.items()) for combination in excluded)
        assert design.allowed[variant] == (not matches)
