//! `assess`: everything that is found about a source, judged here or from a file.
//!
//! The server collects, and this command judges with the same function that the server has: so a
//! saved inventory is judged without server and network, and with prices that never leave the
//! operator's machine.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use landfall_api::assess::cost::Prices;
use landfall_api::assess::question::{answers, script};
use landfall_api::assess::road::RoadName;
use landfall_api::assess::{Assessment, judge};
use landfall_api::core::port::database::Said;
use landfall_api::{Saved, SpecText};

use super::look;
use crate::arguments::{Common, SpecFile};
use crate::door::Door;
use crate::exit::Exit;
use crate::out::Out;
use crate::show;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(crate) struct AssessArguments {
    /// The spec, a TOML file (- is stdin), or the name of a DB instance to look at without one
    #[arg(value_name = "SPEC|INSTANCE", required_unless_present_any = ["from", "sql_script"])]
    source: Option<String>,
    /// Write what was found to a new file, to be judged elsewhere; it names tables and roles
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Judge such a file instead of looking: no server, no network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "save"])]
    from: Option<PathBuf>,
    /// Say why a road is open or closed: physical, logical, seeded, dump, dms, blue-green
    #[arg(long, value_name = "ROAD")]
    explain: Option<String>,
    /// Your prices, a TOML file: what source and target cost a month
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Answers of the script that --sql-script prints, in the place of an observer's role
    #[arg(long, value_name = "FILE")]
    sql_answers: Option<PathBuf>,
    /// Print a read-only psql script of questions for the owner to run; look at nothing
    #[arg(long, conflicts_with_all = ["source", "save", "from", "explain", "prices", "sql_answers"])]
    sql_script: bool,
    /// With --sql-script: the major version that it must suit [default: any]
    #[arg(long, value_name = "MAJOR", requires = "sql_script")]
    postgresql: Option<u32>,
}

pub(super) async fn assess(
    common: &Common,
    asked: &AssessArguments,
    out: Out,
) -> Result<Exit, Stop> {
    if asked.sql_script {
        return print_script(asked.postgresql, out);
    }
    let road = asked.explain.as_deref().map(str::parse::<RoadName>).transpose();
    let road = road.map_err(|why| Stop::mistake(format!("--explain: {why}.")))?;
    let prices = asked.prices.as_deref().map(prices).transpose()?;
    let mut saved = match &asked.from {
        Some(file) => read_saved(file)?,
        None => collected(common, asked).await?,
    };
    if let Some(file) = &asked.sql_answers {
        take_answers(&mut saved, file)?;
    }
    if let Some(file) = &asked.save {
        save(&saved, file)?;
        out.say(&show::layout::wrap(&kept(file), out.width(), 0));
    }
    let assessment = judge(&saved.spec, &saved.inventory, prices.as_ref());
    tell(&assessment, road, out);
    Ok(if assessment.is_blocked() { Exit::Stopped } else { Exit::Done })
}

fn tell(assessment: &Assessment, road: Option<RoadName>, out: Out) {
    let Some(name) = road else {
        return out.data(assessment, |width| show::assessment::whole(assessment, width));
    };
    match assessment.roads.iter().find(|road| road.road == name) {
        Some(road) => {
            let advice = assessment.advice.as_deref();
            out.data(road, |width| show::assessment::explained(road, advice, width));
        }
        // Without a source there is no road; the findings say why.
        None => out.data(assessment, |width| show::assessment::whole(assessment, width)),
    }
}

fn print_script(major: Option<u32>, out: Out) -> Result<Exit, Stop> {
    if let Some(major) = major.filter(|major| *major < script::OLDEST_MAJOR) {
        return Err(Stop::mistake(format!(
            "--postgresql {major}: the questions are for PostgreSQL {} and newer.",
            script::OLDEST_MAJOR
        )));
    }
    out.text(&script::text(major));
    Ok(Exit::Done)
}

async fn collected(common: &Common, asked: &AssessArguments) -> Result<Saved, Stop> {
    let spec_toml = spec(asked.source.as_deref().unwrap_or("-"))?;
    let door = Door::ask(common).await?;
    let found = door.client.inventory(&SpecText { spec_toml }).await;
    door.close().await;
    Ok(found?)
}

/// A spec's text; for the name of an instance, one that says no more than it.
pub(super) fn spec(source: &str) -> Result<String, Stop> {
    let path = Path::new(source);
    let is_name = source.len() <= 63
        && source.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && source.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if !is_name || path.exists() {
        return look::read(&SpecFile { spec: path.to_owned() });
    }
    let source = source.to_ascii_lowercase();
    let short: String = source.chars().take(40).collect();
    let name = short.trim_end_matches('-');
    Ok(format!(
        "[migration]\nname = \"{name}\"\n[source]\ninstance = \"{source}\"\n[target]\n\
         cluster = \"{name}-aurora\"\nquarantine_group = \"sg-target-not-chosen\"\n[route]\n\
         service = \"{name}\"\n[cutover]\nquarantine_group = \"sg-source-not-chosen\"\n"
    ))
}

fn unreadable(file: &Path, why: &dyn std::fmt::Display) -> Stop {
    Stop::mistake(format!("Could not read {}: {why}.", file.display()))
}

fn read_saved(file: &Path) -> Result<Saved, Stop> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    Saved::from_text(&text).map_err(|error| {
        let why = show::chain(&error);
        Stop::mistake(format!(
            "Could not {why}, from {}. Write it by `landfall assess SPEC --save FILE`.",
            file.display()
        ))
    })
}

fn prices(file: &Path) -> Result<Prices, Stop> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    Prices::from_text(&text).map_err(|error| {
        let why = show::chain(&error);
        Stop::mistake(format!(
            "--prices {}: could not {}. docs/operate/assess.md shows such a file.",
            file.display(),
            why.trim_end()
        ))
    })
}

/// The owner's answers take the place of all others: two half looks are not one.
fn take_answers(saved: &mut Saved, file: &Path) -> Result<(), Stop> {
    let open = File::open(file).map_err(|error| unreadable(file, &error))?;
    let told = answers::read(BufReader::new(open)).map_err(|error| {
        Stop::mistake(format!("--sql-answers {}: {}.", file.display(), show::chain(&error)))
    })?;
    let source = saved.inventory.instance.as_ref().map(|instance| &instance.engine_version);
    let major = source.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let answered = told.version_num / 10_000;
    if let Some(major) = major.filter(|major| *major != answered) {
        return Err(Stop::mistake(format!(
            "--sql-answers {}: a server of PostgreSQL {answered} answered, and the source is \
             PostgreSQL {major}. Run the script on the source.",
            file.display()
        )));
    }
    saved.inventory.answers = told.answers;
    let any = saved.inventory.answers.iter().any(|one| matches!(one.said, Said::Answer(_)));
    if any {
        saved.inventory.not_looked = None;
    }
    Ok(())
}

fn save(saved: &Saved, file: &Path) -> Result<(), Stop> {
    let wrong = |why: &dyn std::fmt::Display| {
        Stop::mistake(format!("Could not write {}: {why}. Name a new file.", file.display()))
    };
    let text = saved.to_text().map_err(|error| wrong(&error))?;
    // It names tables, roles and addresses: nobody else's business.
    let mut options = OpenOptions::new();
    let open = options.write(true).create_new(true).mode(0o600).open(file);
    let mut open = open.map_err(|error| wrong(&error))?;
    open.write_all(text.as_bytes()).map_err(|error| wrong(&error))
}

fn kept(file: &Path) -> String {
    let file = file.display();
    format!(
        "What was found is in {file}; `landfall assess --from {file}` judges it on any machine. \
         It names tables, roles and addresses, and holds no password and no row."
    )
}

#[cfg(test)]
mod tests {
    use landfall_api::core::spec as format;

    use super::*;

    #[test]
    fn the_name_of_an_instance_stands_for_a_spec() {
        let long = format!("Orders-{}", "x".repeat(50));
        for name in ["orders-prod", &long] {
            let spec = format::parse(&spec(name).unwrap()).unwrap();
            assert_eq!(spec.source.instance.as_str(), name.to_ascii_lowercase());
            assert!(spec.access.is_none());
        }
        for path in ["no/such.toml", "orders.toml", "-x", "a b"] {
            assert!(spec(path).is_err(), "{path}");
        }
    }
}
