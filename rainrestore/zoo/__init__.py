"""The models that come trained: names, files, figures, and how one is added. Above the engine, below the apis."""
