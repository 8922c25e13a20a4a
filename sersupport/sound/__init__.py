"""Sound itself: files and clips, colours of noise, mixing, effects, prosody."""
