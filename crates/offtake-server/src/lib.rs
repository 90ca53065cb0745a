//! Everything on a socket: REST, OTLP, links, docs
