"""Small helpers that belong to no room."""
