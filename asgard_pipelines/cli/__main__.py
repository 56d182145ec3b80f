"""`python -m asgard_pipelines.cli`: the command, where its script is not on the path."""

from asgard_pipelines.cli import main

main()
