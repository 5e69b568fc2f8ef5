"""The parts of the demonstration on photographs."""
