"""Adding classes to a model that exists: one step with the user's model as its teacher."""
