"""/subscribe: the form that sets an alert, and what happens next."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from services.api.adapters.subscription_desk import SignedUp
from services.api.core.form import AlertForm, errors_by_field, wish_fields
from services.api.core.life import shown_key
from services.api.core.preview import Preview
from services.api.core.problem import FieldError, Problem, validated
from services.api.web.parts import HostOf, Parts, PartsOf
from services.api.web.preview_routes import Typed, form_preview
from services.api.web.shown import described
from shared.subscriptions import Wish

router = APIRouter(include_in_schema=False)


@router.get("/subscribe")
async def show_form(
    parts: PartsOf, topic: Annotated[list[str] | None, Query()] = None, country: str = "", q: str = ""
) -> HTMLResponse:
    """The form, with what is asked for in the address filled in."""
    return await _form_page(parts, AlertForm(topics=tuple(topic or ()), countries=country, query=q))


@router.post("/subscribe")
async def subscribe(parts: PartsOf, host: HostOf, form: Typed) -> HTMLResponse:
    """Make the subscription, or show the form again with what is wrong beside each field, or with its preview."""
    try:
        if form.do == "preview":
            return await _form_page(parts, form, preview=await form_preview(parts, form, host))
        made = await parts.desk.sign_up(validated(Wish, wish_fields(form)), host)
    except Problem as e:
        return await _form_page(parts, form, e)
    return await _what_happens_next(parts, made)


async def _form_page(
    parts: Parts, form: AlertForm, problem: Problem | None = None, preview: Preview | None = None
) -> HTMLResponse:
    errors = problem.errors if problem else ()
    if problem and not errors:
        errors = (FieldError("form", problem.detail),)
    page = parts.pages.render(
        "subscribe.html",
        status=problem.status if problem else 200,
        topics=await parts.topics(),
        form=form,
        errors=errors_by_field(errors),
        preview=preview,
        closed=parts.desk.is_closed,
    )
    page.headers.update(problem.headers if problem else {})
    return page


async def _what_happens_next(parts: Parts, made: SignedUp) -> HTMLResponse:
    """Only the maker of a webhook gets the keys here: a mail address has to show first that it is theirs."""
    subscription = made.subscription
    values = await described(parts, subscription)
    key = await parts.link_key("manage", subscription.id)
    return parts.pages.render(
        "subscribed.html",
        status=201,
        private=True,
        outbox=parts.settings.outbox,
        mail_from=parts.settings.mail_from,
        secret=next(iter(shown_key(subscription.secret).values()), None),
        token=None if values["is_mail"] else made.manage_token,
        manage=None
        if values["is_mail"]
        else f"{parts.settings.public_url}/manage/{subscription.id}?key={key}",
        **values,
    )
