//! The server through its router: real stores in a folder of their own, no sockets but where sockets are
//! what is tested. Files are made through the store's port, because the server runs no export.

mod access;
mod alerts;
mod api_keys;
mod audit;
mod autobahn;
mod browsers;
mod documents;
mod events;
mod exports;
mod faults;
mod files;
mod house;
mod issuer;
mod issuers;
mod jobs;
mod limits;
mod mutations;
mod notifications;
mod one_time;
mod otlp;
mod principals;
mod rows;
mod sensitive;
mod sessions;
mod sockets;
mod webhooks;
