"""The edge to the web: pages, feeds, the editorial API, operations; put together in `app.py`; decides nothing."""
