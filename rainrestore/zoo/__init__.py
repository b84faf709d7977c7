"""Trained models: names, files, metrics, and how to add one. Above the engine, below the apis."""
