"""Stoppress: a real-time push server for live stories."""

__version__ = "0.1.0"
