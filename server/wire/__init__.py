"""Dialects: messages to bytes and back; pure."""
