"""Restoration of faces seen in heavy rain: a pluggable library on mmengine (Son & Jeong 2022)."""

__version__ = '0.1.0'
