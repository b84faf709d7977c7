"""The models that come trained: their names, their files, and how one is added."""
