"""Measures of recognition (numpy) and the metric that MMAction2 runs (``metric``, registered)."""

from .measures import (
    ClassResult,
    confusion_matrix,
    expected_calibration_error,
    harmonic_mean,
    mean_class_accuracy,
    per_class,
    ranks,
)

__all__ = [
    'ClassResult',
    'confusion_matrix',
    'expected_calibration_error',
    'harmonic_mean',
    'mean_class_accuracy',
    'per_class',
    'ranks',
]
