"""The operation table and what is made from it: routes, request context, error rendering, OpenAPI."""

from goldsmith.http.operations import Call, Operation, Surface, collect, operation

__all__ = ["Call", "Operation", "Surface", "collect", "operation"]
