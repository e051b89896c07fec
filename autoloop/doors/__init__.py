"""Ways in: command line, Python, REST. They make requests and start deployments by name."""
