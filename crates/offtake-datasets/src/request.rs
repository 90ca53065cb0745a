//! Requests → checked queries.

use offtake_model::Error;

pub(crate) fn as_of_of_mutable() -> Error {
    Error::invalid_at("/as_of", "the rows of this dataset change: a snapshot cannot be asked for again; leave as_of out")
}

pub(crate) fn as_of_is_foreign() -> Error {
    Error::invalid_at("/as_of", "this as_of was not handed out for this dataset; pass back what count, page or preview gave")
}
