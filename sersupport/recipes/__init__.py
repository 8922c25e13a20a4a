"""What is done to an utterance: the bank of noises, the drawing of recipes, their rendering."""
