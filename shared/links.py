"""Links in messages, and the keys in them: who has the mail may do the one thing that its link is for. Pure."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.subscriptions import Subscription

Purpose = Literal["confirm", "manage", "unsubscribe", "move_from", "move_to", "fallback", "feed"]
MOVES: Mapping[str, Purpose] = {"from": "move_from", "to": "move_to"}


def sign_link(server_key: bytes, purpose: Purpose, subscription_id: str) -> str:
    """Return the key of a capability link: whoever has the mail may do this one thing. 32 hex digits.

    For a move the id is what `move_subject` says, so that the key is good for this address and this once.
    """
    message = f"{purpose}:{subscription_id}".encode()
    return hmac.new(server_key, message, hashlib.sha256).hexdigest()[:32]


def fallback_subject(subscription: Subscription) -> str:
    """Return what the key of a second channel is good for: this subscription, and this address."""
    fallback = subscription.fallback
    return f"{subscription.id}:{fallback.model_dump_json()}" if fallback else ""


def feed_subject(subscription: Subscription) -> str:
    """Return what the key of its feed is good for: until the owner asks for a new address."""
    return f"{subscription.id}:{subscription.feed_number}"


def move_subject(subscription: Subscription) -> str:
    """Return what the keys of a move are good for; "" without one, which no key opens."""
    move = subscription.move
    return f"{subscription.id}:{move.channel.address}:{move.asked_at.timestamp():.0f}" if move else ""


def opens(server_key: bytes, purpose: Purpose, subscription_id: str, key: str) -> bool:
    """Return whether the key in a link is the one that was sent."""
    return hmac.compare_digest(sign_link(server_key, purpose, subscription_id), key)


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses that messages point to."""

    base: str
    server_key: bytes

    def report(self, report_id: str) -> str:
        return f"{self.base}/reports/{report_id}"

    def confirm(self, subscription_id: str) -> str:
        return self._signed("confirm", subscription_id)

    def confirm_fallback(self, subscription: Subscription) -> str:
        key = sign_link(self.server_key, "fallback", fallback_subject(subscription))
        return f"{self.base}/fallback/{subscription.id}?key={key}"

    def end_fallback(self, subscription: Subscription) -> str:
        """The page that ends what comes to the second channel, and nothing else."""
        key = sign_link(self.server_key, "unsubscribe", fallback_subject(subscription))
        return f"{self.base}/fallback/{subscription.id}/end?key={key}"

    def manage(self, subscription_id: str) -> str:
        """The page that changes the subscription. Only for mails to its owner."""
        return self._signed("manage", subscription_id)

    def unsubscribe(self, subscription_id: str) -> str:
        return self._signed("unsubscribe", subscription_id)

    def move(self, subscription: Subscription, side: str) -> str:
        """The page that agrees to a change of address, for the old address ("from") or the new one ("to")."""
        key = sign_link(self.server_key, MOVES[side], move_subject(subscription))
        return f"{self.base}/move/{subscription.id}?side={side}&key={key}"

    def manage_with_token(self, subscription_id: str) -> str:
        """The same page without a key: it asks for the manage token. For webhook bodies."""
        return f"{self.base}/manage/{subscription_id}"

    def _signed(self, purpose: Purpose, subscription_id: str) -> str:
        key = sign_link(self.server_key, purpose, subscription_id)
        return f"{self.base}/{purpose}/{subscription_id}?key={key}"
