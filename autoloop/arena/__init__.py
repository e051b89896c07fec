"""The arena: throw-away hosts, real faults, and judges that know nothing of the repairs."""
