"""Asgard: gold tables in Iceberg to features, models and predictions that keep up with the data."""

__version__ = "0.1.0"
