"""Running a protocol: the folder of a run, its processes, and its base step."""
