//! What the sources amount to, for whoever wants to know where they grow.
