from sqlglot import exp

from warehouse.sql.dialects.microseconds import Microseconds, from_unix

_FUNCTIONS = """
    unix_micros unix_millis unix_seconds unix_date timestamp_micros timestamp_millis timestamp_seconds
    date_from_unix_date parse_date parse_datetime parse_time parse_timestamp format_date format_datetime format_time
    format_timestamp datetime_trunc time_trunc last_day string div ieee_divide safe_divide safe_multiply safe_add
    safe_subtract safe_negate is_nan is_inf range_bucket bit_count to_hex from_hex to_base64 from_base64 to_base32
    from_base32 farm_fingerprint sha1 sha256 sha512 md5 json_value json_query json_value_array json_query_array
    json_extract_string_array json_extract_array to_json to_json_string parse_json json_keys json_strip_nulls bool int64
    float64 lax_bool lax_int64 lax_float64 lax_string array_length array_reverse array_to_string array_concat
    array_concat_agg array_first array_last array_slice generate_array generate_date_array generate_timestamp_array
    approx_count_distinct approx_quantiles approx_top_count approx_top_sum countif logical_and logical_or any_value
    normalize normalize_and_casefold soundex edit_distance contains_substr regexp_contains regexp_extract_all
    regexp_instr regexp_substr safe_convert_bytes_to_string code_points_to_string to_code_points byte_length
    char_length character_length instr repeat rand generate_uuid st_geogpoint st_distance st_x st_y divide multiply
    subtract add negate host reg_domain public_suffix ip_from_string ip_to_string ip_net_mask ip_trunc extract merge
    merge_partial init
"""


class BigQueryDialect(Microseconds):
    name = "bigquery"
    _grammar = "bigquery"
    _mark = "@p"
    functions = frozenset(_FUNCTIONS.split())
    function_schemas = frozenset({"safe", "net", "hll_count"})

    def instant(self, column: exp.Expr) -> exp.Expr:
        return from_unix(exp.Anonymous(this="UNIX_MICROS", expressions=[exp.cast(column, "timestamptz")]))

    def whole(self, number: exp.Expr, divisor: int) -> exp.Expr:
        return exp.Anonymous(this="DIV", expressions=[number, exp.convert(divisor)])

    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        path = exp.convert('$."' + member.replace('"', "") + '"')
        return exp.Anonymous(this="JSON_VALUE", expressions=[column.copy(), path])

    def md5(self, text: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this="TO_HEX", expressions=[exp.Anonymous(this="MD5", expressions=[text])])
