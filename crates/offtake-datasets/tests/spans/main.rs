//! The built-in span store, from bytes on the wire to rows of its datasets.

#[cfg(test)]
mod both;
#[cfg(test)]
mod common;
#[cfg(test)]
mod conventions;
#[cfg(test)]
mod events;
#[cfg(test)]
mod genuine;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod store;
