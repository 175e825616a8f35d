"""The edge to the web: pages, feeds, the editorial API, operations; put together in `app.py`.

It never decides what a change does: the Desk does.
"""
