"""The learning core: pure numpy, no Django, no SQL, no HTTP. Usable from a notebook."""
