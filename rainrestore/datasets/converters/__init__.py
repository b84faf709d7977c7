"""Converters of public data sets to the layout that the data set classes read."""
