"""Load on a whole house: clients, what they ask, and what became of it."""
