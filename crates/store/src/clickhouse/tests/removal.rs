//! Erasure and retention: gone from the views and the parts, and the books balance throughout.
