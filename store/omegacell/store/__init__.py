"""The store: an ordered log, checkpoints and payloads, kept by one of several engines.

``log`` states what an engine must do, ``engines.open_store`` opens one by URL. Engines know bytes only; what the
bytes mean is the business of ``codec`` and ``replica``.
"""
