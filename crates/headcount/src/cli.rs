//! What can be asked for on the command line.
//!
//! What it is not: doing it; see `commands`.
//!
//! What surprises: no command at all is `up`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use headcount_collector::totals::Tool;

use crate::config::ConfigError;
use crate::notice::Lang;

/// Web statistics that say how many, never who.
#[derive(Debug, Parser)]
#[command(name = "headcount", version, about, max_term_width = 100)]
#[command(override_usage = "headcount [OPTIONS]\n       headcount COMMAND [OPTIONS]")]
#[command(after_help = "Without a command: up. Settings: deploy/headcount.example.toml")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) up: UpArgs,
}

impl Cli {
    /// Refuses options before a command: they belong to the `up` that needs no name, and the
    /// command would start without them.
    pub(crate) fn refuse_misplaced(&self) -> Result<(), ConfigError> {
        let UpArgs { data, listen, site } = &self.up;
        let given = [
            ("--config", data.config.is_some()),
            ("--data", data.data.is_some()),
            ("--listen", listen.is_some()),
            ("--site", !site.is_empty()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) if self.command.is_some() => Err(ConfigError(format!(
                "{option} goes after the command, as in: headcount up --config FILE"
            ))),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Count, store and show, all in one process
    Up(UpArgs),
    /// Count only, and send batches to Kafka: one room of a cluster
    Collect(UpArgs),
    /// Read batches from Kafka and write counts to ClickHouse: one room of a cluster
    Aggregate(AggregateArgs),
    /// Dashboard and API over ClickHouse: one room of a cluster
    Serve(UpArgs),
    /// Bring the counts of a data folder of `up` into a cluster, once
    Merge(DataArgs),
    /// Print what travels through Kafka, as lines
    Cat(CatArgs),
    /// Add, list and erase sites
    Site(SiteArgs),
    /// Give, list and revoke access for analysts
    Token(TokenArgs),
    /// Print a link to the dashboard that signs in once
    Signin(SigninArgs),
    /// Show and check what was done to sites, tokens and settings
    AdminLog(LogArgs),
    /// Print what the users of a cluster may do on ClickHouse, or ask the server whether it is so
    Grants(GrantsArgs),
    /// Show numbers in the terminal
    Stats(StatsArgs),
    /// Print the visitors of past days with noise, for a page that everybody may read
    Publish(PublishArgs),
    /// Count the access logs of a server; a file counts once, however often
    Import(ImportArgs),
    /// Count the daily totals that another tool has exported; a file counts once
    ImportTotals(TotalsArgs),
    /// Show what would be kept of a page, source, click, campaign, event or address
    Explain(ExplainArgs),
    /// Look for markers of invented visitors in everything that the running deployment has
    Audit(AuditArgs),
    /// Print the privacy notice for visitors, made from the configuration
    Notice(NoticeArgs),
    /// Print the answer to a request for access
    Dsar(TextArgs),
    /// Print what a thief of each place learns
    BreachSheet(TextArgs),
    /// Print every place where data lives, compared with what is there
    Datamap(DatamapArgs),
    /// Print the tables that may be, or hold those that are to them
    Schema(SchemaArgs),
    /// Look for what weakens the promises here, and say how to mend it; ends with 1 if something does
    Doctor(DoctorArgs),
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DataArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder with everything that is kept [default: ./headcount-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Address and port for beacons and dashboard [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// A site to count, by its host; may be given more than once
    #[arg(long, value_name = "HOST")]
    pub(crate) site: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AggregateArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Let a stopped partition go on past this record, without it or what is missing before it;
    /// may be given more than once
    #[arg(long, value_name = "PARTITION:OFFSET")]
    pub(crate) set_aside: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SiteArgs {
    #[command(subcommand)]
    pub(crate) command: SiteCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SiteCommand {
    /// Count a site from now on
    Add {
        /// Its host, such as example.org
        host: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List the sites
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Remove every count of a site at once, and stop counting it
    Erase {
        /// Its host
        host: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once
    Add(TokenAddArgs),
    /// List the tokens, without their text
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Make a token worthless
    Revoke {
        /// Its number, as `token list` shows it
        id: i64,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DatamapArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t = MapFormat::Md)]
    pub(crate) format: MapFormat,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// A form of the data map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MapFormat {
    /// Markdown
    Md,
    /// JSON
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Compare the tables that are there with these: no column for an address or a visitor, no row
    /// with two attributes; exit 1 if there is a difference
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TokenAddArgs {
    /// The site it may read
    #[arg(long, value_name = "HOST")]
    pub(crate) site: String,
    /// What it lets see [default: viewer]
    #[arg(long, value_enum)]
    pub(crate) role: Option<RoleWord>,
    /// Make a link to hand on instead: read only, numbers rounded to tens, threshold 10
    #[arg(long)]
    pub(crate) share: bool,
    /// When it ends: days from now such as 90d, or its last day, YYYY-MM-DD (UTC) [default: never]
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
    /// A name for it in the list
    #[arg(long, value_name = "LABEL")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleWord {
    /// What a viewer sees, and by how much books are off
    Owner,
    /// Counts, hits that were not counted, and whether the books balance
    Viewer,
}

#[derive(Debug, Args)]
pub(crate) struct SigninArgs {
    /// The site to show [default: every site]
    #[arg(long, value_name = "HOST")]
    pub(crate) site: Option<String>,
    /// What to show of it [default: viewer for one site, owner for every site]
    #[arg(long, value_enum)]
    pub(crate) role: Option<RoleWord>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GrantsArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Ask the server what the configured user may do, instead of printing SQL
    #[arg(long)]
    pub(crate) check: bool,
    /// With --check: the part that the user should fit [default: one of them]
    #[arg(long, value_enum)]
    pub(crate) part: Option<PartWord>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartWord {
    /// The user of `headcount aggregate`
    Writer,
    /// The user of `headcount serve`
    Reader,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    pub(crate) command: Option<LogCommand>,
    #[command(flatten)]
    pub(crate) list: LogListArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// List every entry, the oldest first
    List(LogListArgs),
    /// Check that each entry is as it was written, and that none is missing
    Verify {
        /// A hash that `admin-log head` printed earlier and that was kept elsewhere
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print number and hash of the last entry, to be kept elsewhere
    Head {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Go on with a log whose end does not fit its mark, after a backup was restored
    Accept {
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Default, Args)]
pub(crate) struct LogListArgs {
    /// How to print them
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: LogFormat,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// The site's host
    pub(crate) host: String,
    /// First day, YYYY-MM-DD, in the site's time zone [default: 29 days before --to]
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// Last day, YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<String>,
    /// What the rows are about: total, page, target, page_target, source, country, device,
    /// browser, os, utm_source, utm_medium, utm_campaign, hour, day, week, month or refused
    #[arg(long, value_name = "WHAT", default_value = "page")]
    pub(crate) by: String,
    /// How to print them: table, json or csv
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The site's host
    pub(crate) host: String,
    /// First UTC day, YYYY-MM-DD [default: 29 days before --to]
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// Last UTC day, YYYY-MM-DD [default: the last one that is closed]
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<String>,
    /// How much a day's number may tell of one visitor, 0.01 to 10: less is safer and less exact. A
    /// day that was published keeps the one it was drawn with
    #[arg(long, value_name = "NUMBER", default_value = "0.5")]
    pub(crate) epsilon: String,
    /// How to print them: table, json or csv
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The site that the logs are of
    pub(crate) host: String,
    /// Logs in combined or common format, or JSON lines of nginx or Caddy; plain, gzip or zstd;
    /// `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Go on with what is written to the files, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
    /// Methods that count
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "GET")]
    pub(crate) methods: Vec<String>,
    /// Statuses that count
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "200,304")]
    pub(crate) statuses: Vec<u16>,
    /// Endings that a page may have [default: html,htm,php and the like]; without an ending, a path
    /// is a page
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) endings: Vec<String>,
    /// Beginning of paths that are no pages, such as /api/; may be given more than once
    #[arg(long, value_name = "PATH")]
    pub(crate) without: Vec<String>,
    /// Lines between two commits at most: what a kill costs
    #[arg(long, value_name = "LINES", default_value_t = 500_000)]
    pub(crate) commit_lines: u64,
    /// Count a file although it looks like an older copy of one that was counted, or was counted
    /// and has fewer than eight lines or gave nothing
    #[arg(long)]
    pub(crate) anew: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TotalsArgs {
    /// The site that they are of
    pub(crate) host: String,
    /// The tool that exported them
    #[arg(long, value_name = "TOOL", value_parser = tool())]
    pub(crate) from: Tool,
    /// CSV files out of the export, plain, gzip or zstd: Plausible's imported_visitors_….csv and
    /// imported_pages_….csv, Umami's website_event.csv, GoatCounter's CSV, Matomo's API.get and
    /// Actions.getPageUrls by day
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// The name of a tool whose exports are read.
fn tool() -> impl TypedValueParser<Value = Tool> {
    let names = PossibleValuesParser::new(Tool::ALL.map(Tool::as_str));
    names.try_map(|name| {
        let of_name = |tool: &Tool| tool.as_str() == name;
        Tool::ALL.into_iter().find(of_name).ok_or("no tool")
    })
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The site for which it would be kept
    #[arg(long, value_name = "HOST")]
    pub(crate) site: String,
    /// An event that the site declares; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Vec<String>,
    /// What the values are
    #[arg(value_enum)]
    pub(crate) kind: Kind,
    /// The values; without any, standard input is read, one a line
    pub(crate) values: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Exit codes: 0 passed, 1 failed, 2 incomplete, 64 wrong settings.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 passed; 1 a marker was found, a control failed, or a \
    sentence of the notice is not so; 2 something could not be examined; 64 a setting or flag is wrong")]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as a page to read and print
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the report as Markdown; without any file it is printed
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Seconds that it may take; what is not examined by then is not tested
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Where visitors are answered, if not where the settings say
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where analysts are answered, if not where the settings say
    #[arg(long, value_name = "ADDR")]
    pub(crate) stats_listen: Option<String>,
    /// Where the operator is answered, if not where the settings say; once for each process
    #[arg(long, value_name = "ADDR")]
    pub(crate) ops_listen: Vec<String>,
    /// The text of a process's log, where it does not write into a file; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Vec<PathBuf>,
    /// Further files and folders: logs of proxies, backups, data of other servers
    #[arg(long, value_name = "PATH")]
    pub(crate) also: Vec<PathBuf>,
    /// A process of the deployment that is not found by its folder or settings
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
    /// The data folder of `headcount serve`, in a cluster
    #[arg(long, value_name = "DIR")]
    pub(crate) serve_data: Option<PathBuf>,
    /// The JSON report of the positive control: an audit of a build that keeps what it is sent
    #[arg(long, value_name = "REPORT")]
    pub(crate) control: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NoticeArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Show what changed since this notice, which was printed with --format json
    #[arg(long, value_name = "OLD")]
    pub(crate) diff: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Configuration of the proxy in front: nginx (its file, or the output of nginx -T), Caddy or
    /// HAProxy; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) proxy: Vec<PathBuf>,
    /// The notice as visitors have it, printed by headcount notice in any format: is it still that
    /// of these settings? May be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) notice: Vec<PathBuf>,
    /// A page of the site, asked for once: does it set cookies, does it name scripts, frames, images
    /// or styles of others, and does it carry the snippet? No redirect is followed
    #[arg(long, value_name = "URL")]
    pub(crate) page: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: DoctorFormat,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For people
    Table,
    /// With the names of the checks
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// Its language
    #[arg(long, value_enum, default_value = "en")]
    pub(crate) lang: Lang,
    /// How to print it
    #[arg(long, value_enum, default_value = "md")]
    pub(crate) format: TextFormat,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextFormat {
    /// Markdown
    Md,
    /// A page of its own
    Html,
    /// With what each sentence is bound to
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Page,
    Source,
    Click,
    Utm,
    Event,
    Ip,
    Client,
}
