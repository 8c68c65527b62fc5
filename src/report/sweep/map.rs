//! One metric over two axes.
