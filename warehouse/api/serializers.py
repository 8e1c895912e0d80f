"""Bodies of the warehouse's endpoints. Input and Output are apart: what may be sent is not what is answered."""

from typing import Any

from rest_framework import serializers

from levered_site.api.views import StrictSerializer
from warehouse.connectors.credentials import FIELDS
from warehouse.models import AssignmentSource, Connection, Metric, Provider
from warehouse.sealed import Sealed
from warehouse.services.catalog import MAX_ROWS


class MappingField(serializers.JSONField):
    """An object; `warehouse.mapping` says what may be in it."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("This must be an object of fields and the columns that hold them.")
        return super().to_internal_value(data)


class _SqlInput(StrictSerializer):
    name = serializers.CharField(max_length=255)
    sql = serializers.CharField(trim_whitespace=False, help_text="One read-only SELECT; `@start_date` is bound.")


class OutcomeMatch(serializers.Serializer[Any]):
    by = serializers.ChoiceField(choices=["name", "value"])
    value = serializers.JSONField()


class OutcomeSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    weight = serializers.FloatField()
    match = OutcomeMatch()


class MetricMappingSchema(serializers.Serializer[Any]):
    """For the schema only: `mapping.read_metric_mapping` validates."""

    anonymous_id = serializers.CharField(help_text="Column of the user's identifier.")
    timestamp = serializers.CharField(help_text="Column of the event's time.")
    reward_type = serializers.ChoiceField(choices=["bool", "numeric"], required=False, default="bool")
    value = serializers.CharField(required=False, help_text="Column of the value; required for numeric.")
    name = serializers.CharField(required=False, help_text="Column of the event's name.")
    outcomes = OutcomeSchema(many=True, required=False, help_text="At least two; the first match in the window counts.")


class SourceMappingSchema(serializers.Serializer[Any]):
    """For the schema only: `mapping.read_source_mapping` validates."""

    anonymous_id = serializers.CharField(help_text="Column of the user's identifier.")
    timestamp = serializers.CharField(help_text="Column of the exposure's time.")
    variant = serializers.CharField(required=False, help_text="Column of the variant, a JSON object.")
    context = serializers.CharField(  # type: ignore[assignment]  # a field, not the serializer's own attribute
        required=False, help_text="Column of the context, a JSON object."
    )
    factors = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="Design factor to the column that holds its level."
    )


class MetricInput(_SqlInput):
    column_mapping = MappingField()


class MetricBody(serializers.Serializer[Any]):
    """What `MetricInput` takes, with the mapping spelt out."""

    name = serializers.CharField(max_length=255)
    sql = serializers.CharField(help_text="One read-only SELECT; `@start_date` is bound.")
    column_mapping = MetricMappingSchema()


class SourceInput(_SqlInput):
    column_mapping = MappingField()


class SourceBody(serializers.Serializer[Any]):
    """What `SourceInput` takes, with the mapping spelt out."""

    name = serializers.CharField(max_length=255)
    sql = serializers.CharField(help_text="One read-only SELECT; `@start_date` is bound.")
    column_mapping = SourceMappingSchema()


class MetricOutput(serializers.ModelSerializer[Metric]):
    column_mapping = serializers.DictField()

    class Meta:
        model = Metric
        fields = ["id", "name", "sql", "column_mapping", "created_at", "updated_at"]


class MetricList(serializers.Serializer[Any]):
    metrics = MetricOutput(many=True)


class SourceOutput(serializers.ModelSerializer[AssignmentSource]):
    column_mapping = serializers.DictField()

    class Meta:
        model = AssignmentSource
        fields = ["id", "name", "sql", "column_mapping", "created_at", "updated_at"]


class RowsOutput(serializers.Serializer[Any]):
    rows = serializers.ListField(child=serializers.DictField(), help_text="One object per row, by column.")


class AnswerOutput(RowsOutput):
    columns = serializers.ListField(child=serializers.CharField())


class QueryInput(StrictSerializer):
    sql = serializers.CharField(trim_whitespace=False, help_text="One read-only SELECT.")
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ROWS, default=100)


class CredentialsField(serializers.JSONField):
    """What `connectors.credentials.FIELDS` lists for the provider. It is sealed at once, so that nothing prints it."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("This must be an object of the provider's fields.")
        return Sealed(data)


def _credentials(**options: Any) -> CredentialsField:
    listed = "; ".join(
        f"{provider}: {', '.join(f.name if f.required else f'{f.name}?' for f in fields)}"
        for provider, fields in FIELDS.items()
    )
    return CredentialsField(write_only=True, help_text=f"Never shown again. {listed}.", **options)


class ConnectionInput(StrictSerializer):
    provider = serializers.ChoiceField(choices=Provider.choices)
    credentials = _credentials(default=None)
    name = serializers.CharField(max_length=255, required=False, allow_blank=True, help_text="To tell it by.")


class ConnectionTestInput(StrictSerializer):
    provider = serializers.ChoiceField(choices=Provider.choices, required=False)
    credentials = _credentials(required=False)


class CredentialsSchema(serializers.DictField):
    """For the schema only: `connectors.credentials.read_credentials` validates."""


class ConnectionBody(serializers.Serializer[Any]):
    """What `ConnectionInput` takes."""

    provider = serializers.ChoiceField(choices=Provider.choices)
    credentials = CredentialsSchema(required=False, help_text=_credentials().help_text)
    name = serializers.CharField(max_length=255, required=False, help_text="To tell it by.")


class ConnectionTestBody(serializers.Serializer[Any]):
    """What `ConnectionTestInput` takes; nothing: the connection in use is tested."""

    provider = serializers.ChoiceField(choices=Provider.choices, required=False)
    credentials = CredentialsSchema(required=False, help_text=_credentials().help_text)


class ConnectionOutput(serializers.ModelSerializer[Connection]):
    """`id` and the times are null while the managed warehouse is used because nothing else was chosen."""

    id = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(allow_null=True)
    name = serializers.SerializerMethodField(help_text="As given, or else the provider's.")

    class Meta:
        model = Connection
        fields = ["id", "provider", "name", "created_at", "updated_at"]

    def get_id(self, connection: Connection) -> str | None:
        return None if connection._state.adding else str(connection.pk)

    def get_name(self, connection: Connection) -> str:
        return connection.name or connection.get_provider_display()


class ConnectionList(serializers.Serializer[Any]):
    connections = ConnectionOutput(many=True)


class TestedOutput(serializers.Serializer[Any]):
    provider = serializers.ChoiceField(choices=Provider.choices)
    ok = serializers.BooleanField()
    round_trip_ms = serializers.FloatField()
    tables = serializers.ListField(child=serializers.CharField(), help_text="The first 100 that can be read.")
    tables_count = serializers.IntegerField()


class ColumnOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.CharField()


class ColumnList(serializers.Serializer[Any]):
    columns = ColumnOutput(many=True)


class TableOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    columns = ColumnOutput(many=True)


class TableList(serializers.Serializer[Any]):
    tables = TableOutput(many=True)
