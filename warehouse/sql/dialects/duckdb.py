import re

from sqlglot import exp

from warehouse.sql.dialects.microseconds import Microseconds, from_unix

_FUNCTIONS = """
    range generate_series unnest epoch_us epoch_ms epoch_ns epoch make_timestamp make_timestamp_ms make_time
    century decade millennium datepart datesub date_sub datediff date_diff dayname monthname last_day isodow isoyear
    yearweek julian time_bucket strptime try_strptime timezone to_years to_months to_weeks to_days to_hours to_minutes
    to_seconds to_milliseconds to_microseconds json_extract_string json_extract json_extract_path json_extract_path_text
    json_keys json_structure json_transform json_transform_strict from_json from_json_strict json_contains json_exists
    json_value json_each json_tree json_merge_patch json_object json_array json_valid json_array_length json_serialize
    list_value list_aggregate list_aggr list_contains list_has list_position list_indexof list_distinct list_unique
    list_sort list_reverse_sort list_reverse list_slice list_concat list_cat list_append list_prepend list_element
    list_extract list_filter list_transform list_apply list_reduce list_sum list_avg list_min list_max list_count
    list_any_value list_first list_last list_zip list_where list_grade_up list_resize list_has_all list_has_any
    array_value array_extract array_length array_slice array_aggregate array_sort array_distinct array_position
    array_to_string flatten len map map_keys map_values map_entries map_extract map_from_entries map_concat element_at
    cardinality struct_pack struct_extract struct_insert row arg_max arg_min argmax argmin max_by min_by any_value
    first last arbitrary bit_and bit_or bit_xor bool_and bool_or count_star fsum kahan_sum favg geomean geometric_mean
    product histogram kurtosis kurtosis_pop skewness mad median mode quantile quantile_cont quantile_disc
    approx_count_distinct approx_quantile approx_top_k entropy sem regr_avgx regr_avgy regr_sxx regr_sxy regr_syy
    string_split str_split string_split_regex str_split_regex string_to_array split regexp_extract_all
    regexp_full_match regexp_split_to_array regexp_split_to_table regexp_escape regexp_count strip_accents
    levenshtein editdist3 damerau_levenshtein hamming jaccard jaro_similarity jaro_winkler_similarity lcase ucase
    left_grapheme right_grapheme length_grapheme strlen bit_length translate prefix suffix contains starts_with
    ends_with format_bytes parse_path parse_filename parse_dirname hash sha1 sha256 md5_number base64 to_base64
    from_base64 encode decode bin hex unhex from_hex to_hex from_binary to_binary isnan isinf isfinite nextafter gamma
    lgamma factorial even gcd greatest_common_divisor lcm least_common_multiple bit_count fdiv fmod signbit trunc xor
    setseed random uuid gen_random_uuid uuidv4 uuidv7 try_cast_to try excel_text text ordinality ifnull rowid error
"""


class DuckDBDialect(Microseconds):
    name = "duckdb"
    _grammar = "duckdb"
    _mark = "$"
    functions = frozenset(_FUNCTIONS.split())
    function_schemas = frozenset({"main"})

    def instant(self, column: exp.Expr) -> exp.Expr:
        return from_unix(exp.Anonymous(this="epoch_us", expressions=[exp.cast(column, "timestamptz")]))

    def whole(self, number: exp.Expr, divisor: int) -> exp.Expr:
        return exp.IntDiv(this=exp.paren(number), expression=exp.convert(divisor))

    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        path = exp.convert('$."' + member.replace('"', "") + '"')
        return exp.Anonymous(this="json_extract_string", expressions=[exp.cast(column.copy(), "json"), path])

    def is_file(self, table: str) -> bool:
        return re.search(r"[/\\:*?]|\.\w{1,8}$", table) is not None
