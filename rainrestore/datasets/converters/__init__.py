"""From the releases of public data sets to what the data set classes read."""
