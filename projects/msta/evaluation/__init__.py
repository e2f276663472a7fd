"""Measures of recognition (numpy) and the metrics that MMAction2 runs (``metric`` and
``multi_label``, registered)."""

from .measures import (
    ClassResult,
    best_threshold,
    confusion_matrix,
    expected_calibration_error,
    harmonic_mean,
    mean_class_accuracy,
    per_class,
    ranks,
)

__all__ = [
    'ClassResult',
    'best_threshold',
    'confusion_matrix',
    'expected_calibration_error',
    'harmonic_mean',
    'mean_class_accuracy',
    'per_class',
    'ranks',
]
