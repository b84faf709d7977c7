"""Who may reach the page, and what it may reach: the web application around the page of Gradio."""

import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse

from rainrestore.apis import Restorer
from rainrestore.errors import ConfigError
from rainrestore.web.page import CSS, THEME, build_page
from rainrestore.web.photo_views import MAX_CLIP_BYTES
from rainrestore.web.views import Studio

#: Addresses that only this computer reaches.
LOCAL_HOSTS = ('127.0.0.1', 'localhost')

# The browser refuses whatever does not come from this server: no fonts, scripts or counters from elsewhere. Gradio's
# page needs inline scripts and styles.
POLICY = '; '.join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)
HEADERS = {
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
}


class AddHeaders:
    """Puts :data:`HEADERS` on every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message['type'] == 'http.response.start':
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, 'headers': [*message.get('headers', []), *more]}
            await send(message)

        await self.app(scope, receive, send_with_headers)


class UploadsOnly:
    """Refuses a request that gives an address in place of an uploaded file: Gradio would fetch it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope['type'] != 'http' or Headers(scope=scope).get('content-type', '').startswith('multipart/'):
            await self.app(scope, receive, send)
            return
        messages = [await receive()]
        while messages[-1].get('more_body'):
            messages.append(await receive())
        try:
            asked = json.loads(b''.join(message.get('body', b'') for message in messages) or 'null')
        except ValueError:
            asked = None
        if _names_address(asked):
            refusal = JSONResponse({'detail': 'Upload the file itself: nothing is fetched from an address.'}, 400)
            await refusal(scope, receive, send)
            return

        async def replayed() -> Any:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replayed, send)


def _names_address(asked: Any) -> bool:
    """Whether a file in a request, at any depth, is an address."""
    if isinstance(asked, list):
        return any(map(_names_address, asked))
    if not isinstance(asked, dict):
        return False
    path = asked.get('path')
    address = isinstance(path, str) and path.lower().startswith(('http:', 'https:'))
    return address or any(map(_names_address, asked.values()))


def create_app(restorer: Restorer, host: str = '127.0.0.1') -> FastAPI:
    """The page with its limits, ready to be served.

    Args:
        restorer: what restores.
        host: where it will listen. At a local address requests for another name are refused: a page elsewhere could
            otherwise let its own name point here and read the answers.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    allowed = list(LOCAL_HOSTS) if host in LOCAL_HOSTS else ['*']
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False)
    app.add_middleware(UploadsOnly)
    app.add_middleware(AddHeaders)
    return gr.mount_gradio_app(
        app, build_page(Studio(restorer)), path='/', server_name=host, footer_links=[], run_history=False,
        show_error=False, max_file_size=MAX_CLIP_BYTES, ssr_mode=False, enable_monitoring=False, pwa=False,
        mcp_server=False, theme=THEME, css=CSS,
    )  # fmt: skip


def open_port(host: str, port: int) -> socket.socket:
    """A socket that listens at ``host`` and ``port``; 0 is any free port.

    Raises:
        ConfigError: no such address here, or the port is taken or not allowed.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise ConfigError(f'--host {host} --port {port}: {reason}; choose another, 0 is any free port') from error


@contextmanager
def own_temporary_files() -> Iterator[None]:
    """Uploads and results lie in a folder that goes when the server ends, also when it is told to terminate."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix='rainrestore-web-') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        try:
            yield
        finally:
            del os.environ['GRADIO_TEMP_DIR']
            signal.signal(signal.SIGTERM, previous)


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Answer until the process is interrupted or terminated."""
    server = uvicorn.Server(uvicorn.Config(app, log_level='warning', timeout_graceful_shutdown=3))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return
