"""The one channel to a target: the program that runs there, and its client here."""
