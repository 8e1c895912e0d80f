"""`/models`: what has been learned, and training."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView, validated
from optimizations.api import serializers as s
from optimizations.models import TrainingRun
from optimizations.services import lifecycle
from optimizations.services.training import train


class ModelListView(TenantView):
    @extend_schema(tags=["Models"], summary="List models", responses={200: s.ModelList, **errors(401, 403, 429)})
    def get(self, request: TenantRequest) -> Response:
        """All models of the organization, newest first; deleted ones are left out."""
        return Response({"models": s.ModelOutput(lifecycle.list_models(self.organization), many=True).data})


class ModelView(TenantView):
    @extend_schema(tags=["Models"], summary="Get a model", responses={200: s.ModelOutput, **errors(401, 403, 404, 429)})
    def get(self, request: TenantRequest, model_id: UUID) -> Response:
        """One model: its status, its version and the design it learns."""
        return Response(s.ModelOutput(lifecycle.get_model(self.organization, model_id)).data)

    @extend_schema(tags=["Models"], summary="Delete a model", responses={200: s.Ended, **errors(401, 403, 404, 429)})
    def delete(self, request: TenantRequest, model_id: UUID) -> Response:
        """Soft-deletes the model. Its optimization stays, but serves nothing until it gets a new model."""
        model = lifecycle.delete_model(lifecycle.get_model(self.organization, model_id))
        return Response({"id": model.pk, "status": model.status})


class TrainView(TenantView):
    @extend_schema(
        tags=["Models"],
        summary="Train a model",
        request=s.TrainInput,
        responses={200: s.Trained, **errors(400, 401, 403, 404, 409, 413, 415, 429, 503)},
    )
    def post(self, request: TenantRequest, model_id: UUID) -> Response:
        """Reads the latest observations from the warehouse, fits the model and publishes its new version."""
        asked = validated(s.TrainInput, request)
        model = lifecycle.get_model(self.organization, model_id)
        run = train(model, trigger=TrainingRun.Trigger.API, **asked)
        return Response(
            {
                "model_id": model.pk,
                "status": model.status,
                "in_sample_metrics": run.in_sample_metrics,
                "model_version": run.version,
                "observations": int(run.observations or 0),
                "training_run_id": run.pk,
            }
        )


class NewModelView(TenantView):
    @extend_schema(
        tags=["Models"],
        summary="Create a new model",
        request=None,
        responses={201: s.ModelOutput, **errors(401, 403, 404, 409, 429)},
    )
    def post(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """An untrained model for an optimization whose model was deleted."""
        model = lifecycle.create_model(lifecycle.get_optimization(self.organization, optimization_id))
        return Response(s.ModelOutput(model).data, status=201)
