"""`make demo`: the documentation's own request, sent by the official SDK to a goldsmith of one's own.

The demo is a client of the wire like any other; of goldsmith it knows only command line and data folder.
"""
