"""Networks, losses and restorers. Importing this package registers them; it imports no models of other packages."""

from rainrestore.models import losses, networks, restorers

__all__ = ['losses', 'networks', 'restorers']
