import datetime as dt
from typing import cast
from uuid import UUID

from sqlglot import exp

from warehouse.sql.dialects.base import ManagedDialect

_FUNCTIONS = """
    generate_series json_each json_each_text jsonb_each jsonb_each_text json_array_elements json_array_elements_text
    jsonb_array_elements jsonb_array_elements_text json_object_keys jsonb_object_keys jsonb_path_query
    jsonb_path_query_first jsonb_path_exists jsonb_strip_nulls jsonb_set jsonb_pretty row_to_json array_length
    array_position array_positions array_remove array_append array_prepend array_cat array_to_string string_to_array
    cardinality array_upper array_lower unnest regexp_split_to_table regexp_split_to_array regexp_count regexp_substr
    regexp_instr regexp_like string_to_table date_bin clock_timestamp statement_timestamp transaction_timestamp
    to_number justify_days justify_hours justify_interval make_timestamp make_time timezone encode decode sha224 sha256
    sha384 sha512 hashtext format btrim quote_literal quote_ident quote_nullable unaccent similarity word_similarity
    gen_random_uuid uuid_generate_v4 random setseed jsonb_object json_object jsonb_concat bit_and bit_or bit_xor
    bit_count stddev_pop stddev_samp var_pop var_samp percentile_cont percentile_disc mode rank dense_rank cume_dist
    regr_avgx regr_avgy regr_sxx regr_sxy regr_syy trunc cbrt gcd lcm factorial degrees radians cot sind cosd tand
    erf erfc time_bucket time_bucket_gapfill first last approx_percentile hyperloglog distinct_count st_x st_y
    isempty lower_inc upper_inc range_merge tstzrange tsrange daterange int4range int8range numrange row
"""


class PostgresDialect(ManagedDialect):
    name = "postgres"
    _grammar = "postgres"
    _mark = "$"
    functions = frozenset(_FUNCTIONS.split())
    function_schemas = frozenset({"pg_catalog"})

    def _bound(self, name: str, mark: str) -> exp.Expr:
        return exp.cast(exp.Var(this=mark), "timestamptz") if name.endswith(("date", "_at")) else exp.Var(this=mark)

    def instant(self, column: exp.Expr) -> exp.Expr:
        return exp.cast(column, "timestamptz")

    def moment(self, value: dt.datetime) -> object:
        return value

    def plus(self, instant: exp.Expr, seconds: int) -> exp.Expr:
        return exp.Add(this=instant, expression=exp.cast(exp.convert(f"{seconds} seconds"), "interval"))

    def day(self, instant: exp.Expr) -> exp.Expr:
        return exp.cast(exp.AtTimeZone(this=instant, zone=exp.convert("UTC")), "date")

    def decode_day(self, value: object) -> dt.date:
        return cast(dt.date, value)

    def hours(self, start: exp.Expr, end: exp.Expr) -> exp.Expr:
        seconds = exp.Extract(this=exp.var("EPOCH"), expression=exp.paren(exp.Sub(this=end, expression=start)))
        whole = exp.Div(this=seconds, expression=exp.convert(3_600), typed=True, safe=False)
        return exp.cast(exp.func("FLOOR", whole), "int")

    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        document = exp.cast(column.copy(), "jsonb")
        return exp.Anonymous(this="jsonb_extract_path_text", expressions=[document, exp.convert(member)])

    def ordered(self, text: exp.Expr) -> exp.Expr:
        return exp.Collate(this=text, expression=exp.to_identifier("C", quoted=True))

    def uuid_text(self, column: exp.Expr) -> exp.Expr:
        return column.copy()

    def uuid_literal(self, value: UUID) -> exp.Expr:
        return exp.cast(exp.convert(str(value)), "uuid")
