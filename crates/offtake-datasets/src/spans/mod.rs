//! The built-in span store: spans come in, and the datasets `spans`, `traces` and `prompts` go out.
