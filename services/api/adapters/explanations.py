"""Why a report reached a subscriber or not: looks up what was written, and asks the decision where nothing was."""

from datetime import datetime

from services.api.core.explaining import ReportExplained, explain_decision, explain_record
from shared.bus import Bus
from shared.decision import Memory, decide, news_of, terms_of
from shared.deliveries import DeliveryLog
from shared.delivery import delivery_id
from shared.events import TaggedReport
from shared.matching.explanation import explain
from shared.subscriptions import CompiledFilter, Subscription, document_of


async def explain_report(
    bus: Bus, subscription: Subscription, tagged: TaggedReport, now: datetime
) -> ReportExplained:
    """Return the explanation."""
    log, report = DeliveryLog(bus), tagged.report.id
    compiled, document = CompiledFilter.of(subscription.filter), document_of(tagged)
    clause = explain(compiled.expression, document)
    record = await log.get(delivery_id(subscription.id, report))
    if record:
        digest = await log.get(record.digest) if record.digest else None
        return explain_record(report, subscription, record, digest, clause)
    told = await bus.redis.hget(bus.names.told(tagged.story.id), subscription.id)
    memory = Memory(told.decode() if told else "")
    news = news_of(tagged, document)
    decision = decide(terms_of(subscription, compiled), news, memory, now, matched=clause.held)
    return explain_decision(report, subscription, decision, clause)
