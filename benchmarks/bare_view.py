"""The yardstick: Django's default handler, no middleware, one view that returns constant JSON."""

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, MIDDLEWARE=[], ALLOWED_HOSTS=["*"], SECRET_KEY="yardstick")
CONSTANT = b'{"variants":[{"props":{"headline":"Save time","cta_text":"Try it now"},"expected_reward":0.31}]}'


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse(CONSTANT, content_type="application/json")


urlpatterns = [path("bare", bare)]
application = WSGIHandler()
