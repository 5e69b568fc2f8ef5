"""Running a protocol: its steps, their configs, the folder of the run, and what a finished step leaves."""
