"""How fast Asgard is, beside stock Feast and beside merely reading the files: `make bench`.

A part (`pit`, the point-in-time join; `scoring`, batch scoring with it) generates its data, measures every
contender in fresh processes, one after the other and in turns, and hands its figures to the report:
`docs/performance.md`, a plot, and `results.json` here.
"""
