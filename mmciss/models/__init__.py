"""Models: the wrapper around a segmentor, its teacher and the slots of a method."""
