"""How good an estimate of ∂h/∂θ is, compared with exact RTRL."""

from nbt.diagnosis.measure import diagnose
from nbt.diagnosis.result import Diagnosis, DiagnosisRow

__all__ = ["Diagnosis", "DiagnosisRow", "diagnose"]
