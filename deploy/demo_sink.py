"""The demo's other end: takes every mail (SMTP on 1025) and every webhook (POST /hook), and shows them on port 8025."""

import asyncio
import html
import json
from collections import deque
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

KEPT = 100
STYLE = """body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
article{border:1px solid #8884;border-radius:8px;padding:1rem;margin:1rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px} a{overflow-wrap:anywhere}"""


class Sink:
    """What came in, newest first."""

    def __init__(self) -> None:
        self.messages: deque[dict[str, str]] = deque(maxlen=KEPT)

    def add(self, kind: str, about: str, body: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        self.messages.appendleft({"at": moment, "kind": kind, "about": about, "body": body})
        print(json.dumps({"event": f"{kind} received", "about": about}), flush=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002
        mail = BytesParser(policy=policy.default).parsebytes(envelope.original_content or b"")
        part = mail.get_body(("plain", "html"))
        headers = "\n".join(f"{name}: {value}" for name, value in mail.items())
        text = part.get_content() if part else ""
        self.add("mail", f"{mail['to']}: {mail['subject']}", f"{headers}\n\n{text}")
        return "250 taken"

    async def hook(self, request: web.Request) -> web.Response:
        body = await request.text()
        signature = {
            name: request.headers.get(name, "")
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        }
        try:
            shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        except ValueError:
            shown = body
        self.add("webhook", signature["webhook-id"], json.dumps(signature, indent=2) + "\n" + shown)
        return web.Response(status=204)

    async def page(self, _: web.Request) -> web.Response:
        items = "".join(
            f"<article><b>{html.escape(m['kind'])}</b> {html.escape(m['at'])}<br>{html.escape(m['about'])}"
            f"<details><summary>all of it</summary><pre>{_linked(m['body'])}</pre></details></article>"
            for m in self.messages
        )
        empty = "<p>Nothing yet. Set an alert to <code>anyone@mail.demo</code>, or to <code>http://hook.demo:8025/hook</code>.</p>"
        head = f"<!doctype html><meta charset=utf-8><title>Demo sink</title><style>{STYLE}</style>"
        page = f"{head}<h1>What Tocsin sent</h1>{items or empty}"
        return web.Response(text=page, content_type="text/html")

    async def as_json(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.messages))


def _linked(text: str) -> str:
    words = html.escape(text).split("\n")
    return "\n".join(f'<a href="{w}">{w}</a>' if w.startswith("http") else w for w in words)


async def main() -> None:
    """Serve until ended."""
    sink = Sink()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: SMTP(sink, enable_SMTPUTF8=True, loop=loop), "0.0.0.0", 1025)
    http = web.Application()
    http.add_routes(
        [web.post("/hook", sink.hook), web.get("/", sink.page), web.get("/messages.json", sink.as_json)]
    )
    runner = web.AppRunner(http, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 8025).start()
    while True:
        open("/tmp/alive", "w").close()
        await asyncio.sleep(2)


if __name__ == "__main__":
    asyncio.run(main())
