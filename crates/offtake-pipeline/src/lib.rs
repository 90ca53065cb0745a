//! Shape, encode, compress, frame: Arrow in, bytes out.
//!
//! Pure: no network, no database, no clock. The same batches and the same plan give the same bytes. Callers
//! are `offtake-worker`, which feeds it ranges and stores the parts it yields, and `offtake-server`, which
//! uses the shaping and the JSON rendering of rows for pages and previews.
