"""The model zoo: names, files and metrics of trained models, and the publication of a model."""
