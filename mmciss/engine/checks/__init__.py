"""What is wrong with a config is found here, before anything is built from it."""
