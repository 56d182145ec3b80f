"""Rows that are pushed: checked one by one, written ahead, online before they are acknowledged, then flushed.

`pushes.py` takes them; `records.py` says what is wrong with a record, `rows.py` is what is right in the forms
that the write-ahead table, the store and the lakehouse take; `flush.py` brings them there.
"""
