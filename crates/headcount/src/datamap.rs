//! `headcount datamap` and `headcount schema`: where data lives, and whether that is so.
//!
//! What it is not: the audit. Nothing is sent, and no content is searched; names of files, tables,
//! columns, topics and groups are compared with a closed list, `datamap/map.toml`.
//!
//! What surprises: what could not be looked at is a difference too, or a server that is away would
//! look like one that holds nothing else.

mod compare;
mod found;
mod place;
mod text;

use anyhow::bail;
use serde::Serialize;

use self::compare::{BESIDE, Difference};
use self::found::Found;
use self::place::Place;
use crate::cli::{DataArgs, DatamapArgs, MapFormat, SchemaArgs};
use crate::commands::{say, unless_reader_left};
use crate::config::{self, Config, Flags};
use crate::notice::Mode;

/// A map of the running configuration, compared with what is there.
#[derive(Serialize)]
struct Map {
    /// Of this form.
    version: u32,
    places: Vec<Place>,
    differences: Vec<Difference>,
    /// The data folder is on this machine.
    folder_is_here: bool,
}

/// Prints the map, and whether it is true.
///
/// # Errors
/// If there is a difference, or the configuration is wrong.
pub(crate) fn print(args: &DatamapArgs) -> anyhow::Result<()> {
    let config = load(&args.data)?;
    let places = place::places(&config, Mode::of(&config));
    let differences = compare::differences(&places, &Found::of(&config));
    let folder_is_here = config.data_dir.is_dir();
    let map = Map { version: 1, places, differences, folder_is_here };
    unless_reader_left(match args.format {
        MapFormat::Md => say(&text::markdown(&map)),
        MapFormat::Json => say(&format!("{}\n", serde_json::to_string_pretty(&map)?)),
    })?;
    refuse(&map.differences)
}

/// Prints the tables, or holds those that are there to them.
///
/// # Errors
/// If there is a difference, or the configuration is wrong.
pub(crate) fn schema(args: &SchemaArgs) -> anyhow::Result<()> {
    let config = load(&args.data)?;
    let places = place::places(&config, Mode::of(&config));
    if !args.check {
        return unless_reader_left(say(&text::tables(&places)));
    }
    let differences: Vec<Difference> = compare::differences(&places, &Found::of(&config))
        .into_iter()
        .filter(Difference::is_of_tables)
        .collect();
    let said = if differences.is_empty() {
        "every table, column and row is as it may be\n".to_owned()
    } else {
        text::lines(&differences)
    };
    unless_reader_left(say(&said))?;
    refuse(&differences)
}

/// The names of files that may be in a data folder.
pub(crate) fn known_files(config: &Config) -> Vec<String> {
    let places = place::places(config, Mode::of(config));
    let files = places.into_iter().flat_map(|place| place.files);
    files.map(|[name, _]| name).collect()
}

/// Whether a file of this name is one of these, or lies beside one that is a database.
pub(crate) fn is_known_file(known: &[String], name: &str) -> bool {
    let stem = BESIDE.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    known.iter().any(|file| file == stem)
}

fn refuse(differences: &[Difference]) -> anyhow::Result<()> {
    match differences.len() {
        0 => Ok(()),
        1 => bail!("there is a difference between the map and what is there"),
        count => bail!("there are {count} differences between the map and what is there"),
    }
}

fn load(data: &DataArgs) -> anyhow::Result<Config> {
    let flags = Flags { config: data.config.clone(), data: data.data.clone(), ..Flags::default() };
    Ok(Config::load(&flags, config::environment())?)
}
