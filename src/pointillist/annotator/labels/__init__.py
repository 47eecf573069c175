"""Points and classes: the store, the operations on it, and the one thread that applies them."""
