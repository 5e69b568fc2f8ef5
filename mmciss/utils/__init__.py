"""Small helpers that several packages use."""
