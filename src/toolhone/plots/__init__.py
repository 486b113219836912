"""Pages with plots that are one file: they open anywhere, and fetch nothing."""
