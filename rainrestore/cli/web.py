"""Restore images, and add rain to clean images, in the browser.

By default the page is local: the server listens on 127.0.0.1, and the page does not use the network. With another
--host, anybody who can reach that address can use the page without a password.

Needs Gradio, which `python tools/install.py --web` in a clone of rainrestore installs.
"""

import argparse
import sys

from rainrestore.cli.options import add_shared
from rainrestore.optional import installer, optional_import


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore web``."""
    add = parser.add_argument
    add('--host', default='127.0.0.1', help='address to listen on (default: 127.0.0.1, local only)')
    add('--port', type=int, default=7860, help='port to listen on, 0 for any free port (default: 7860)')
    model = 'a model of the zoo, or a config with --checkpoint (default: the default model of rainrestore restore)'
    add('--model', help=model)
    add_shared(parser, '--checkpoint', '--device')


def run(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl+C."""
    optional_import('gradio', 'rainrestore web', installer('--web'))
    from rainrestore.apis import TASKS, Restorer
    from rainrestore.web.server import LOCAL_HOSTS, create_app, open_port, own_temporary_files, serve

    with open_port(args.host, args.port) as listener, own_temporary_files():
        app = create_app(Restorer(args.model or TASKS['faces'].model, args.checkpoint, device=args.device), args.host)
        if args.host not in LOCAL_HOSTS:
            print(f'rainrestore: anybody who can reach {args.host} can use the page; no password', file=sys.stderr)
        host = f'[{args.host}]' if ':' in args.host else args.host
        print(f'http://{host}:{listener.getsockname()[1]}  (Ctrl+C stops the server)', flush=True)
        serve(app, listener)
