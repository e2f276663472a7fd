"""The four protocols of the paper: defined once, run by one command each, reported. No torch.

``definitions`` says what is trained and tested, ``run`` does what is missing, ``report`` and
``plots`` show it beside the published numbers. Only ``evaluate``, run as a process, loads torch.
"""
