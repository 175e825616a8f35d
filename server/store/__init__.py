"""The store: stories and posts in one real Redis or Valkey, each change one script. It never decides what changes."""
