"""The web application around the Gradio page: access control and security headers."""

import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse

from rainrestore.apis import Restorer
from rainrestore.errors import ConfigError
from rainrestore.web.page import CSS, HEAD, THEME, build_page
from rainrestore.web.photo_views import MAX_CLIP_BYTES
from rainrestore.web.views import Studio

#: Addresses that are only accessible from this computer.
LOCAL_HOSTS = ('127.0.0.1', 'localhost')

# The browser loads only resources of this server: no fonts, scripts or trackers of other sites. Gradio needs inline
# scripts and styles.
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
#: Headers of every response.
HEADERS = [
    ('Content-Security-Policy', POLICY),
    ('X-Content-Type-Options', 'nosniff'),
    ('Referrer-Policy', 'no-referrer'),
    ('Cross-Origin-Resource-Policy', 'same-origin'),
]


class UploadsOnly:
    """Middleware that refuses requests with an address in place of an uploaded file; Gradio would download it."""

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
            request = json.loads(b''.join(message.get('body', b'') for message in messages) or 'null')
        except (ValueError, RecursionError):
            request = None
        if _contains_address(request):
            refusal = JSONResponse({'detail': 'Upload the file itself: addresses are not downloaded.'}, 400)
            await refusal(scope, receive, send)
            return

        async def replayed() -> Any:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replayed, send)


def _contains_address(content: Any) -> bool:
    """Whether the path of a file in a request, at any depth, is an address."""
    if isinstance(content, list):
        return any(map(_contains_address, content))
    if not isinstance(content, dict):
        return False
    path = content.get('path')
    address = isinstance(path, str) and path.lower().startswith(('http:', 'https:'))
    return address or any(map(_contains_address, content.values()))


def create_app(restorer: Restorer, host: str = '127.0.0.1') -> FastAPI:
    """Create the web application.

    Args:
        restorer: The default model.
        host: The address of the server. For a local address, requests with another host name are refused, because a
            foreign site could map its own name to 127.0.0.1 and read the responses (DNS rebinding).
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    allowed = list(LOCAL_HOSTS) if host in LOCAL_HOSTS else ['*']
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False)
    app.add_middleware(UploadsOnly)
    return gr.mount_gradio_app(
        app, build_page(Studio(restorer)), path='/', server_name=host, footer_links=[], run_history=False,
        show_error=False, max_file_size=MAX_CLIP_BYTES, ssr_mode=False, enable_monitoring=False, pwa=False,
        mcp_server=False, theme=THEME, css=CSS, head=HEAD,
    )  # fmt: skip


def open_port(host: str, port: int) -> socket.socket:
    """Open a socket that listens on ``host`` and ``port``; port 0 selects a free port.

    Raises:
        ConfigError: The machine has no such address, or the port is in use or not allowed.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f'--port {port}: expected 1 to 65535, or 0 for any free port')
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise ConfigError(f'--host {host!r}: {reason}; give an address of this machine') from error
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = getattr(error, 'strerror', None) or error
        raise ConfigError(f'--host {host} --port {port}: {reason}; choose another, 0 is any free port') from error


@contextmanager
def own_temporary_files() -> Iterator[None]:
    """Keep uploads and results in a temporary folder that is deleted when the server ends, also after SIGTERM."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix='rainrestore-web-') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        try:
            yield
        finally:
            del os.environ['GRADIO_TEMP_DIR']
            signal.signal(signal.SIGTERM, previous)


def server_of(app: Any) -> uvicorn.Server:
    """The server of the application; it adds :data:`HEADERS` to every response."""
    return uvicorn.Server(uvicorn.Config(app, log_level='warning', headers=HEADERS, timeout_graceful_shutdown=3))


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    with suppress(KeyboardInterrupt):
        server_of(app).run(sockets=[listener])
