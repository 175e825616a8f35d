"""A sample story that goes on while somebody watches. It uses the other rooms as anybody would, and none uses it."""
