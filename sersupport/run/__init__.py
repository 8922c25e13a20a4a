"""A run: its parameters, what its chapters read and write, its artefacts, and what a notebook shows."""
