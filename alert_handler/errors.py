"""Everything that the alert handler raises.

    AlertHandlerError               .reason (a metric label)  .retryable
      ConfigInvalid                 a configuration or playbook that cannot be used
      NotificationInvalid           a webhook body that is not what its sender sends   -> 400
      StoreUnavailable              the store cannot write or read now                 -> 503
      UpstreamError
        PrometheusUnavailable       no answer from Prometheus                          retryable
        PrometheusRejected          Prometheus refuses the query
      RemediationRefused            a remediation that must not or cannot be planned
      DeliveryError
        DeliveryUnavailable         the channel may take it later                      retryable
        DeliveryRejected            the channel will never take it

Refusals of policy (cooldown, three strikes, observe mode, ...) are not errors: they are `Decision` values.
"""

from typing import ClassVar


class AlertHandlerError(Exception):
    """Root of the alert handler's errors; the message says what happened, where, and what to do next."""

    reason: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


class ConfigInvalid(AlertHandlerError):
    """A configuration or playbook cannot be used; the message names file, path in it, value and remedy."""

    reason = "config_invalid"


class NotificationInvalid(AlertHandlerError):
    """A webhook body is not what its sender sends; the message names the JSON path."""

    reason = "malformed"


class StoreUnavailable(AlertHandlerError):
    """The store cannot be written or read now: disk full, locked, corrupt. The sender must send again."""

    reason = "store_unavailable"
    retryable = True


class UpstreamError(AlertHandlerError):
    """A server that the handler asks did not give a usable answer."""

    reason = "upstream"


class PrometheusUnavailable(UpstreamError):
    """Prometheus did not answer, or answered that it cannot now."""

    reason = "prometheus_unavailable"
    retryable = True


class PrometheusRejected(UpstreamError):
    """Prometheus refuses the query; the message holds its own words."""

    reason = "prometheus_rejected"


class RemediationRefused(AlertHandlerError):
    """A remediation must not or cannot be planned: an undeclared target, an unsafe parameter, a missing label."""

    reason = "refused_by_remediation"


class DeliveryError(AlertHandlerError):
    """A message did not reach its channel."""

    reason = "delivery"


class DeliveryUnavailable(DeliveryError):
    """The channel did not take the message now; it is kept and sent again."""

    reason = "unavailable"
    retryable = True


class DeliveryRejected(DeliveryError):
    """The channel will never take this message (wrong address, wrong credentials, refused content)."""

    reason = "rejected"
