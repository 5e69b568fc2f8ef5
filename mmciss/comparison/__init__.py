"""Running a grid of methods, protocols, class orders and seeds, on this machine or on a cluster.

Importing this package is cheap, as a job that only trains imports it, too.
"""
