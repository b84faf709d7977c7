"""Networks, losses and restorers. Importing this room registers them all; it loads no other package's models."""

from rainrestore.models import losses, networks, restorers

__all__ = ['losses', 'networks', 'restorers']
