"""What everything stands on: content keys, the cache, seeded generators, files, errors that a user can meet."""
