"""Spatial and temporal descriptions of action classes, written by a language model."""

from projects.msta.descriptions.reader import read_descriptions, write_descriptions
from projects.msta.descriptions.schema import DescriptionError, Descriptions, DescriptionWarning

__all__ = [
    'DescriptionError',
    'DescriptionWarning',
    'Descriptions',
    'read_descriptions',
    'write_descriptions',
]
