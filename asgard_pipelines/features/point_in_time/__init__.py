"""The point-in-time join: which feature row each asked row gets, and its values.

`engine.py` is the promise, `streamed_join.py` the engine that keeps it here: `winners.py` in the first pass
over the files, `streamed_rows.py` in the second. Nothing here knows Feast.
"""
