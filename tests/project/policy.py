"""A policy for all pages, so that a browser complains about inline code and style."""

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'"


class PolicyMiddleware(MiddlewareMixin):
    """Send the policy with each answer."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["Content-Security-Policy"] = POLICY
        return response
