"""What is connected, what is in it, and questions to it."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView, validated
from warehouse.api.serializers import (
    AnswerOutput,
    ColumnList,
    ColumnOutput,
    ConnectionBody,
    ConnectionInput,
    ConnectionList,
    ConnectionOutput,
    ConnectionTestBody,
    ConnectionTestInput,
    QueryInput,
    TableList,
    TableOutput,
    TestedOutput,
)
from warehouse.services import catalog, connections

TAGS = ["Warehouse"]


class ConnectionListView(TenantView):
    write_scope = "administer"

    @extend_schema(tags=TAGS, summary="What is connected", responses={200: ConnectionList, **errors(401, 403, 429)})
    def get(self, request: TenantRequest) -> Response:
        """The one warehouse that the organization reads from."""
        connection = connections.connection_of(self.organization)
        return Response({"connections": [ConnectionOutput(connection).data]})

    @extend_schema(
        tags=TAGS,
        summary="Connect a warehouse",
        request=ConnectionBody,
        responses={201: ConnectionOutput, **errors(400, 401, 403, 413, 415, 429, 503)},
    )
    def post(self, request: TenantRequest) -> Response:
        """Takes the place of the one before, once the warehouse has answered; else nothing changes.

        Metrics and the assignment source stay. Where their SQL does not run in the new warehouse, training fails and
        says so, and the last good model is served.
        """
        connection = connections.connect(self.organization, **validated(ConnectionInput, request))
        return Response(ConnectionOutput(connection).data, status=201)

    @extend_schema(tags=TAGS, summary="Disconnect", responses={204: None, **errors(401, 403, 404, 429)})
    def delete(self, request: TenantRequest) -> Response:
        """Forgets the connection and its credentials; what is left is the managed warehouse."""
        connections.disconnect(self.organization)
        return Response(status=204)


class ConnectionTestView(TenantView):
    required_scope = "administer"

    @extend_schema(
        tags=TAGS,
        summary="Test a connection",
        request=ConnectionTestBody,
        responses={200: TestedOutput, **errors(400, 401, 403, 409, 413, 415, 429, 503)},
    )
    def post(self, request: TenantRequest) -> Response:
        """One round trip, and the tables that can be read: with these credentials, or else as connected now.

        Saves nothing.
        """
        found = connections.try_connection(self.organization, **validated(ConnectionTestInput, request))
        return Response(
            {
                "provider": found.provider,
                "ok": True,
                "round_trip_ms": round(found.seconds * 1000, 3),
                "tables": found.tables,
                "tables_count": found.tables_count,
            }
        )


class ManagedView(TenantView):
    required_scope = "administer"

    @extend_schema(
        tags=TAGS,
        summary="Switch to the managed warehouse",
        request=None,
        responses={200: ConnectionOutput, **errors(401, 403, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """From now on, events are sent to the ingestion API and read from here. Doing so twice changes nothing."""
        return Response(ConnectionOutput(connections.switch_to_managed(self.organization)).data)


class TableListView(TenantView):
    @extend_schema(tags=TAGS, summary="List tables", responses={200: TableList, **errors(401, 403, 429)})
    def get(self, request: TenantRequest) -> Response:
        """The tables that SQL may read, with their columns."""
        return Response({"tables": TableOutput(catalog.list_tables(self.organization), many=True).data})


class ColumnListView(TenantView):
    @extend_schema(tags=TAGS, summary="List columns", responses={200: ColumnList, **errors(401, 403, 404, 429)})
    def get(self, request: TenantRequest, table: str) -> Response:
        """The columns of one table."""
        columns = catalog.list_columns(self.organization, table=table)
        return Response({"columns": ColumnOutput(columns, many=True).data})


class QueryView(TenantView):
    required_scope = "read"

    @extend_schema(
        tags=TAGS,
        summary="Run a SELECT",
        request=QueryInput,
        responses={200: AnswerOutput, **errors(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """The first rows, 100 unless `limit` says otherwise, and at most 1,000."""
        return Response(AnswerOutput(catalog.run_query(self.organization, **validated(QueryInput, request))).data)
