from sqlglot import exp

from warehouse.sql.dialects.microseconds import Microseconds, from_unix

_FUNCTIONS = """
    get_path get as_varchar as_integer as_double as_boolean as_array as_object as_date as_timestamp_ntz to_json
    try_parse_json parse_json object_construct object_construct_keep_null object_keys object_pick object_delete
    array_agg array_construct array_size array_cat array_to_string array_slice arrays_overlap array_flatten
    is_null_value is_object is_array is_varchar is_integer is_double is_boolean
    to_timestamp_ntz to_timestamp_ltz to_timestamp_tz
    try_to_timestamp_ntz try_to_timestamp_ltz try_to_timestamp_tz to_time try_to_date try_to_time try_to_number
    try_to_decimal try_to_double try_to_boolean to_decimal to_numeric zeroifnull nullifzero div0 div0null square
    haversine bitand bitor bitxor bitnot bitshiftleft bitshiftright ratio_to_report listagg approx_count_distinct
    approx_percentile hll hash hash_agg minhash md5_hex sha1_hex sha2_hex regr_avgx regr_avgy conditional_true_event
    conditional_change_event rlike charindex insert parse_url parse_ip strtok_to_array equal_null decode iff nvl nvl2
    date_part datediff timestampdiff dateadd timestampadd time_slice next_day previous_day monthname dayname
    convert_timezone sysdate systimestamp seq4 seq8 uniform random normal editdistance jarowinkler_similarity
"""


class SnowflakeDialect(Microseconds):
    """The session's time zone is UTC (`connectors.snowflake`): it decides what a moment without an offset means."""

    name = "snowflake"
    _grammar = "snowflake"
    _mark = ":"
    functions = frozenset(_FUNCTIONS.split())

    def instant(self, column: exp.Expr) -> exp.Expr:
        moment = exp.cast(column, "timestampltz")
        return from_unix(exp.Anonymous(this="DATE_PART", expressions=[exp.var("EPOCH_MICROSECOND"), moment]))

    def whole(self, number: exp.Expr, divisor: int) -> exp.Expr:
        # a quotient of two NUMBERs is rounded to six decimals, so what is divided must be a multiple
        rest = exp.Mod(this=exp.paren(number.copy()), expression=exp.convert(divisor))
        multiple = exp.paren(exp.Sub(this=number, expression=rest))
        return exp.cast(exp.Div(this=multiple, expression=exp.convert(divisor)), "int")

    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        # by way of text, so that a VARIANT, an OBJECT and a VARCHAR that holds JSON are read alike
        document = exp.Anonymous(this="PARSE_JSON", expressions=[exp.cast(column.copy(), "text")])
        path = exp.convert('["' + member.replace('"', "") + '"]')
        return exp.cast(exp.Anonymous(this="GET_PATH", expressions=[document, path]), "text")
