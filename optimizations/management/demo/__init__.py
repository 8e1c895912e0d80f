"""The live demo: an organization whose simulated visitors use the real HTTP API."""
