"""Networks, losses and restorers. Importing this room registers them all; it loads no other package's models."""

from rainrestore import compat
from rainrestore.models import losses, networks, restorers

# A slot may name a part of mmagic; nothing is imported here.
compat.apply()

__all__ = ['losses', 'networks', 'restorers']
