"""`/optimizations/:id/sql`."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView
from optimizations.services import lifecycle
from optimizations.services.statements import optimization_statements
from warehouse.models import Provider


class StatementOutput(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=["cells", "delays", "arms", "cap"])
    title = serializers.CharField()
    description = serializers.CharField()
    sql = serializers.CharField(help_text="One SELECT in the warehouse's own dialect, every value spelled out.")


class StatementsOutput(serializers.Serializer[Any]):
    provider = serializers.ChoiceField(choices=Provider.choices)
    as_of = serializers.DateTimeField(help_text="Of the latest training; now, before the first.")
    note = serializers.CharField(help_text="Where the statements can be run.")
    statements = StatementOutput(many=True)


class StatementsView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="The SQL behind an optimization's numbers",
        responses={200: StatementsOutput, **errors(400, 401, 403, 404, 409, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """The statements that training and the measured lift read, to be run and compared by anybody."""
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return Response(StatementsOutput(optimization_statements(optimization)).data)
