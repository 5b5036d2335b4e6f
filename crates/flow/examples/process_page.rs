//! Prints `docs/PROCESS.md`; `cargo xtask docs` writes it.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(landfall_flow::page::process_page().as_bytes())
}
