"""`make parity`: what is online equals the offline join, whatever happened before."""
