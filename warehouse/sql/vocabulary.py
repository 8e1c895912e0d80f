"""What SQL on the managed warehouse may consist of: everything is refused that is not listed here.

A list of what is forbidden is never complete; on our own database we can afford to list what is allowed.
"""

from sqlglot import exp

from levered_site.errors import InvalidRequest, Issue
from warehouse.sql.parse import function_name


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYNTAX = _words(
    """
    Select Union Intersect Except Subquery CTE With From Join Where Group Having Order Ordered Limit Offset Fetch
    Distinct Window WindowSpec Filter WithinGroup Table TableAlias Column Identifier Star Alias Aliases Paren Tuple
    Literal Boolean Null Var DataType DataTypeParam Interval Placeholder Values Lateral Bracket Array Escape Collate
    AtTimeZone And Or Not Neg In Between Is Like ILike Glob RegexpLike RegexpILike SimilarTo EQ NEQ GT GTE LT LTE
    NullSafeEQ NullSafeNEQ Add Sub Mul Div IntDiv Mod BitwiseAnd BitwiseOr BitwiseXor BitwiseNot BitwiseLeftShift
    BitwiseRightShift DPipe All Any Exists Case If JSONPath JSONPathRoot JSONPathKey JSONPathSubscript
    JSONPathSlice JSONPathWildcard Cube Rollup GroupingSets IgnoreNulls RespectNulls RawString Xor Kwarg
    """
)
_FUNCTIONS = _words(
    """
    Abs Acos Asin Atan Atan2 Ceil Cos Cot Degrees Exp Floor Ln Log Pow Radians Round Sign Sin Sqrt Tan Trunc Pi Cbrt
    Greatest Least Coalesce Nullif Cast TryCast
    Sum Avg Count Min Max CountIf Stddev StddevPop StddevSamp Variance VariancePop LogicalAnd LogicalOr Corr CovarPop
    CovarSamp PercentileCont PercentileDisc Mode Median GroupConcat ArrayAgg JSONObjectAgg JSONArrayAgg AnyValue
    RowNumber Rank DenseRank PercentRank CumeDist Ntile Lag Lead FirstValue LastValue NthValue
    Lower Upper Length Trim Substring Left Right Replace Concat ConcatWs StrPosition StartsWith EndsWith Contains
    SplitPart Reverse Initcap Ascii Chr Unicode Hex MD5 RegexpReplace RegexpExtract ByteLength Translate
    Date Time Datetime Timestamp Extract DateTrunc TimestampTrunc DateAdd DateSub DateDiff TimestampAdd TimestampSub
    TimestampDiff Year Month Day DayOfWeek DayOfMonth DayOfYear Week Hour Minute Second Quarter
    CurrentDate CurrentTime CurrentTimestamp TimeToStr StrToTime StrToDate StrToUnix UnixToTime TimeToUnix TsOrDsAdd
    TsOrDsToDate TsOrDsToTimestamp TsOrDsToTime TsOrDsDiff TimeStrToTime TimestampFromParts DateFromParts ToChar
    DateBin MakeInterval
    JSONExtract JSONExtractScalar JSONBExtract JSONBExtractScalar JSONArray JSONObject JSONType ParseJSON JSONFormat
    JSONBContains JSONBExists JSONBContainsTopKey JSONBContainsAnyTopKeys JSONBContainsAllTopKeys
    ArrayContainsAll Typeof
    """
)
# Functions that the parser has no class for, as both databases call them.
BY_NAME = _words(
    """
    date time datetime
    julianday strftime unixepoch printf format ifnull iif instr total typeof quote json json_valid json_type json_quote
    json_array_length json_extract json_array json_object json_group_array json_group_object substr ltrim rtrim btrim
    age to_timestamp to_date date_part isfinite make_date make_timestamptz make_interval position
    jsonb_typeof json_typeof jsonb_array_length json_array_length jsonb_extract_path jsonb_extract_path_text
    json_extract_path json_extract_path_text to_json to_jsonb jsonb_build_object json_build_object jsonb_build_array
    json_build_array jsonb_agg json_agg jsonb_object_agg json_object_agg string_agg bool_and bool_or every
    regexp_replace regexp_match regexp_matches div mod sign power log10 log2 ceiling char_length character_length
    octet_length strpos num_nulls num_nonnulls width_bucket regr_slope regr_intercept regr_r2 regr_count count_if
    levered_instant levered_number
    """
)
_TYPES = _words(
    """
    TEXT VARCHAR CHAR NCHAR NVARCHAR NAME INT BIGINT SMALLINT TINYINT UINT DOUBLE FLOAT DECIMAL BIGDECIMAL BOOLEAN DATE
    TIME TIMETZ DATETIME TIMESTAMP TIMESTAMPTZ TIMESTAMPNTZ JSON JSONB UUID INTERVAL ARRAY
    """
)


def check_vocabulary(tree: exp.Query, *, field: str = "sql") -> None:
    """Raises InvalidRequest naming the first thing that is not available on the managed warehouse."""
    for node in tree.walk():
        if message := _objection(node):
            raise InvalidRequest(message, details=[Issue(field, message)])


def _objection(node: exp.Expr) -> str | None:
    kind = type(node).__name__
    if kind in _SYNTAX:
        if isinstance(node, exp.DataType) and node.this.name not in _TYPES:
            return f"The type {node.sql()} is not available on the managed warehouse."
        if isinstance(node, exp.Lateral) and not isinstance(node.this, exp.Subquery):
            return "LATERAL takes a SELECT only."
        return None
    if isinstance(node, exp.Anonymous):
        known = function_name(node) in BY_NAME and isinstance(node.this, str)
        return None if known else f"The function {function_name(node)} is not available on the managed warehouse."
    if isinstance(node, exp.Func):
        if kind in _FUNCTIONS:
            return None
        return f"The function {function_name(node)} is not available on the managed warehouse."
    return f"{node.key.upper()} is not available on the managed warehouse."
