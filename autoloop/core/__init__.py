"""The pure part: what an incident, a diagnosis, a plan and a proof are, and how they follow.

Nothing here reads a clock, a file, a socket or an environment variable.
"""
