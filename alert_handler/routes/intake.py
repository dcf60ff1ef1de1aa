"""Webhooks in. 200 means stored durably; 503 means send again; a redirect or 429 would lose the alert.

Alertmanager tries a 4xx once per group interval and a 5xx about ten times in 40 s; it follows a redirect as a GET
without body and counts that as success.
"""

import hmac
import logging

from flask import Blueprint, Response, request

from alert_handler.errors import NotificationInvalid, StoreUnavailable
from alert_handler.handler import PARSERS, Handler
from alert_handler.store.inbox import Delivery
from chassis.logs import event
from chassis.secret_files import SecretUnusable, read_secret

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


def blueprint(handler: Handler) -> Blueprint:
    """The webhook routes of *handler*."""
    routes = Blueprint("intake", __name__)

    @routes.post("/api/v1/<sender>")
    @routes.post("/api/v1/<sender>/")
    def receive(sender: str) -> Response:
        with handler.metrics.intake_duration.time():
            response = answer(handler, sender)
        known = sender if sender in PARSERS else "unknown"
        handler.metrics.intake_requests.labels(known, str(response.status_code)).inc()
        return response

    return routes


def answer(handler: Handler, sender: str) -> Response:
    """Store the request's body and answer."""
    if sender not in PARSERS:
        return _say(404, f"no such sender; known: {', '.join(sorted(PARSERS))}")
    refusal = _stranger(handler.config.intake.token_file, request.headers.get("Authorization", ""))
    if refusal is not None:
        return refusal
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        return _say(415, "compressed bodies are not taken")
    body = request.get_data(cache=False)
    try:
        PARSERS[sender](body)
    except NotificationInvalid as error:
        return _rejected(handler, sender, body, error)
    try:
        handler.receive(sender, body)
    except StoreUnavailable as error:
        event(log, logging.ERROR, "a webhook was not stored", sender=sender, error=error)
        return _again("not stored; send again")
    return Response(status=200)


def _stranger(token_file: str, header: str) -> Response | None:
    """The refusal of a sender that does not show the token; None when it may send."""
    try:
        if authorized(token_file, header):
            return None
    except SecretUnusable as error:
        event(log, logging.ERROR, "intake.token_file cannot be used: nobody is let in", error=error)
        return _again("nobody can be let in now (intake.token_file); send again")
    return _say(401, "bearer token missing or wrong (intake.token_file)")


def authorized(token_file: str, header: str) -> bool:
    """Whether *header* shows the token in *token_file*; without a file everybody may send.

    The file is read at every request, so that a new token counts at once.

    Raises:
        SecretUnusable: it cannot be read, is empty, or is open to everybody. A 401 would lose the alert for our fault.
    """
    if not token_file:
        return True
    given = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else ""
    return hmac.compare_digest(given.encode(), read_secret(token_file).encode())


def _rejected(handler: Handler, sender: str, body: bytes, error: NotificationInvalid) -> Response:
    """400, with a sample kept for the person who has to find out why; a store that is full loses only the sample."""
    event(log, logging.WARNING, "a webhook was refused", sender=sender, error=error)
    try:
        handler.inbox.reject(Delivery(sender=sender, received_at=handler.clock(), body=body), str(error))
    except StoreUnavailable as full:
        event(log, logging.ERROR, "the sample of a refused webhook was not kept", error=full)
    return _say(400, str(error))


def _again(text: str) -> Response:
    """503: not stored, and the sender is to try again."""
    refusal = _say(503, text)
    refusal.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return refusal


def _say(status: int, text: str) -> Response:
    return Response(f"{text}\n", status=status, mimetype="text/plain")
