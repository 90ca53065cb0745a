//! The server through its router: real stores in a folder of their own, no sockets but where sockets are
//! what is tested. Files are made through the store's port, because the server runs no export.

mod access;
mod documents;
mod exports;
mod faults;
mod files;
mod house;
mod issuer;
mod issuers;
mod jobs;
mod mutations;
mod otlp;
mod rows;
mod sockets;
