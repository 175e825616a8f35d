"""The desk: editorial operations on a store here or far away, and tokens. It never speaks to a reader or a terminal."""
