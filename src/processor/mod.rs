//! What user code implements.
