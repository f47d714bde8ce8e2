//! Where data lives, as `headcount datamap` says, and whether more is there.
//!
//! What it is not: every field of every table. Those are in the map itself.
//!
//! What surprises: the path of the data folder is no part of a report, which is handed on.

use headcount_audit::evidence::Place;
use headcount_audit::report::{Control, Status};
use serde::Deserialize;

use super::Audit;
use super::finder::Finder;

/// The name of the check.
const NAME: &str = "the data map";
/// What a difference says where a place did not answer (`datamap::compare`).
const NOT_LOOKED_AT: &str = "was not looked at";
/// What stands for the path of the data folder.
const FOLDER: &str = "DIR";

/// What `headcount datamap --format json` prints, as far as a report has it.
#[derive(Deserialize)]
struct Map {
    places: Vec<Place>,
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
struct Difference {
    place: String,
    what: String,
}

/// Makes the map and compares it.
pub(super) fn look(audit: &Audit<'_>, finder: &mut Finder) -> (Vec<Place>, Control) {
    let printed = audit.commands.run(&["datamap", "--format", "json"], "", finder);
    let folder = audit.config.data_dir.display().to_string();
    let (places, status, said) = match printed {
        Ok(output) => read(&String::from_utf8_lossy(&output.stdout), &folder),
        Err(error) => (Vec::new(), Status::NotTested, error.to_string()),
    };
    (places, Control { name: NAME.to_owned(), status, said, needed: true })
}

fn read(text: &str, folder: &str) -> (Vec<Place>, Status, String) {
    let Ok(Map { mut places, differences }) = serde_json::from_str(text) else {
        return (Vec::new(), Status::NotTested, "no map was printed".to_owned());
    };
    for place in &mut places {
        if let Some(name) = place.name.strip_suffix(folder) {
            place.name = format!("{name}{FOLDER}");
        }
    }
    let line = |Difference { place, what }: &Difference| format!("{place}: {what}");
    let status = match differences.as_slice() {
        [] => Status::Passed,
        all if all.iter().any(|it| it.what.contains(NOT_LOOKED_AT)) => Status::NotTested,
        _ => Status::AsFound,
    };
    let said = if differences.is_empty() {
        "every file, table, column, topic and group that is there is in it".to_owned()
    } else {
        differences.iter().map(line).collect::<Vec<_>>().join("; ")
    };
    (places, status, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_with_its_differences() {
        let map = |differences: &str| {
            format!(
                "{{\"version\":1,\"places\":[{{\"id\":\"folder\",\"name\":\"Data folder d\",\
                 \"kind\":\"files\",\"holds\":\"files\",\"life\":\"long\",\"readers\":\"few\"}}],\
                 \"differences\":[{differences}]}}"
            )
        };
        let (places, status, _) = read(&map(""), "d");
        assert_eq!(places[0].name, "Data folder DIR");
        assert_eq!((places.len(), places[0].life.as_str(), status), (1, "long", Status::Passed));
        let beside = "{\"place\":\"folder\",\"what\":\"x.txt is there\"}";
        let (_, status, said) = read(&map(beside), "d");
        assert_eq!((status, said.as_str()), (Status::AsFound, "folder: x.txt is there"));
        let silent = "{\"place\":\"topic\",\"what\":\"was not looked at: no answer\"}";
        assert_eq!(read(&map(silent), "d").1, Status::NotTested);
        assert_eq!(read("", "d").1, Status::NotTested);
    }
}
