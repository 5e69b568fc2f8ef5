"""Adds classes to a trained model: one step with the user's model as its teacher."""
