"""What a notifier is: the contract that every file in `notifiers/` keeps."""

from typing import ClassVar, Protocol

import msgspec

from alert_handler.model import Message


class Notifier(Protocol):
    """One channel to people; built once from its section of the configuration.

    The outbox calls `deliver` from one thread a channel, in order, and again after a `DeliveryUnavailable`; a message
    can arrive twice when the handler dies between delivery and note, so `Message.key` is sent along where the
    channel's wire format has room for it.
    """

    #: Its section under `notifiers:` in the configuration.
    Config: ClassVar[type[msgspec.Struct]]

    def deliver(self, message: Message) -> None:
        """Hand *message* to the channel.

        Raises:
            DeliveryUnavailable: try again later.
            DeliveryRejected: never try again.
        """
        ...
