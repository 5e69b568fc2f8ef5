"""Passes over a step's data with the teacher, before the step is trained."""
