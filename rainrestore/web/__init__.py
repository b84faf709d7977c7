"""The browser page of ``rainrestore web``: what it shows (views), how it looks (page), who may reach it (server)."""
