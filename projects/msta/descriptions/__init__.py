"""Spatial and temporal descriptions of action classes, written by a language model."""

from .file import read_descriptions, write_descriptions
from .schema import DescriptionError, Descriptions, DescriptionWarning

__all__ = [
    'DescriptionError',
    'DescriptionWarning',
    'Descriptions',
    'read_descriptions',
    'write_descriptions',
]
