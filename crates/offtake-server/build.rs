//! The console is built by `npm run build` in `web/`; what is there when this crate is compiled is in the binary.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
}
