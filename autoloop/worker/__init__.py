"""The warm worker: flow runs start in processes that have imported everything already.

``warm.work`` runs it beside other things in one event loop, ``python -m autoloop.worker`` alone.
Nothing is imported here, so that the pure parts stay free of Prefect.
"""
