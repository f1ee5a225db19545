//! What the fuzz targets share: the memory of a round, an image made of bytes, and a plan's life.

pub mod image;
pub mod life;
pub mod memory;
pub mod plans;
