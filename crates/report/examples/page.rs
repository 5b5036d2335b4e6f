//! Writes the page of a journal that stands in a file, an entry a line: for whoever works on the
//! page. `cargo run -p landfall-report --example page JOURNAL PAGE`

use std::error::Error;
use std::fs;

use landfall_core::journal::Entry;
use landfall_report::page::page;
use landfall_report::proof::Watched;
use landfall_report::{Judged, Made, Material, Report, Titles};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let (Some(journal), Some(to)) = (files.next(), files.next()) else {
        return Err("name the journal and the page".into());
    };
    let text = fs::read_to_string(journal)?;
    let entries: Vec<Entry> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let last = entries.last().ok_or("the journal is empty")?;
    let made = Made { at: last.at, version: env!("CARGO_PKG_VERSION").to_owned() };
    let (titles, findings) = (Titles::new(), Judged::NotDone);
    let (titles, findings, watched, made) = (&titles, &findings, &Watched::default(), &made);
    let material = Material { entries: &entries, titles, lag: &[], watched, findings, made };
    fs::write(to, page(&Report::of(&material)?))?;
    Ok(())
}
