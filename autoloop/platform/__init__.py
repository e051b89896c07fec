"""The running platform: Prefect's server, and a node that holds the worker and the API."""
