"""What also runs on a target: standard library only, Python 3.6, sent there by `logs.remote`."""
