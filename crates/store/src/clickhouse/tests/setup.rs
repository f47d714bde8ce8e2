//! Connecting: what is wrong is one line that names it.
