"""Converters of public data sets to the folder layout of the data set classes."""
