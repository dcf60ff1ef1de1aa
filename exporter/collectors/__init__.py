"""One file per collector; a file put here is found by listing the folder."""
