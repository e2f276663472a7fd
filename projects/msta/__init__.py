"""MSTA: multi-modal spatio-temporal adapters for video-language models, on MMAction2.

Importing this package loads neither torch nor OpenMMLab; ``import projects.msta.register``
registers every component in ``mmaction.registry``.
"""

__version__ = '0.2.0'
