"""The four protocols of the paper: defined once, run by one command each, reported. No torch.

``definitions`` says what is trained and tested, ``run`` does what is missing, ``report`` and
``per_class`` show it, beside the published numbers. Torch is loaded only by processes that ``run``
starts: ``evaluate`` and ``costs``.
"""
