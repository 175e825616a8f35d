"""Connections: the ASGI endpoints of the streams, the pump that drives the hub, and the server's life.

It never renders a page and never changes a story.
"""
