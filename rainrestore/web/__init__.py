"""The web page of ``rainrestore web``: results (views), layout (page), and access control (server)."""
