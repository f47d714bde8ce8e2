//! The committer: one thread that makes groups of hits durable and lets cells go.
//!
//! What it is not: on the hit's way twice. A core adds up and waits; this thread takes what every
//! core has added up during the last commit, writes it in one transaction and tells the cores.
//!
//! What surprises: an idle edge answers after a single sync. On a busy one the next group gathers
//! while one is being synced, and for a few milliseconds more, because a sync costs what dozens of
//! hits do.

pub(crate) mod batches;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use headcount_core::batch::BatchId;
use headcount_core::site::SiteHost;
use headcount_core::tally::Tally;
use headcount_core::time::{Clock, Day, Hour};
use headcount_transport::{Offered, Publisher};

use self::batches::Addressed;
use crate::edge_file::{EdgeFile, EdgeFileError, Folding, Recovered, Step};
use crate::metrics::Metrics;
use crate::names::{Name, NameId, Names, SiteId};
use crate::release::{Held, Plan, ReleaseRule};
use crate::shard::{Doorbell, Shard};
use crate::shipper::Shipper;
use crate::sites::SiteTable;
use headcount_core::failpoint;

/// How often cells are let go: twice within the second that the release rule grants.
const RELEASE_INTERVAL: Duration = Duration::from_millis(400);
/// Batches in the outbox at most. Beyond, cells stay cells and add up, so that an outage of the
/// transport costs the distinct cells of its time and no more.
const OUTBOX_BATCHES_MAX: usize = 32;
/// A group of this many hits says that the edge is busy.
const CROWDED_HITS: usize = 50;
/// How long the next group gathers after a commit, from the least of a busy edge to that of a full
/// one: waiting costs a visitor time, and spares a full edge the cores that many commits would take.
const GATHERING: Range<Duration> = Duration::from_millis(2)..Duration::from_millis(6);
/// A group of this many hits says that the edge is full.
const FULL_HITS: usize = 500;
/// After a failed write, the next one that carries no hit waits this long.
const FAILURE_PAUSE: Duration = Duration::from_millis(250);
/// How long a stop waits for the other side to write down the last batches. What is left is sent
/// at the next start.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);

/// How long after midnight yesterday's names stay, for a core that read the clock just before. It
/// adds its hit within microseconds.
const NAMES_GRACE_SECONDS: u64 = 3_600;
/// Pause before a file that could not be written anew is tried again.
const REWRITE_PAUSE: Duration = Duration::from_secs(60);

/// How long a small file keeps its rows in the order in which they came, at most, where few come.
const ORDER_PAUSE: Duration = Duration::from_secs(5);
/// Larger files are written anew once a day only, because hits wait meanwhile: a mebibyte takes about
/// 20 ms.
const ORDERED_BYTES_MAX: u64 = 1 << 20;

/// What an asker hears: an error that may pass, when asked again. Any other ends the committer,
/// and then nobody answers.
pub(crate) type Answer<T> = Result<T, Arc<EdgeFileError>>;

/// What other threads ask of the committer.
pub(crate) enum Command {
    /// Numbers for these hosts.
    Sites(Vec<SiteHost>, SyncSender<Answer<Vec<SiteId>>>),
    /// Drop every cell of a host that has not left; answered when what was in the outbox then has
    /// left, too.
    Erase(SiteHost, SyncSender<Answer<()>>),
    /// Commit what there is, let go of what may, and end.
    Stop,
}

/// Everything the committer works with.
pub(crate) struct Committer {
    pub(crate) file: EdgeFile,
    pub(crate) recovered: Recovered,
    pub(crate) shards: Vec<Arc<Shard>>,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) publisher: Box<dyn Publisher>,
    pub(crate) names: Arc<Names>,
    pub(crate) sites: Arc<Mutex<Arc<SiteTable>>>,
    pub(crate) rule: ReleaseRule,
    pub(crate) held_cells_max: usize,
    /// Lanes of the transport.
    pub(crate) partitions: u32,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
}

struct State {
    held: Held,
    texts: batches::Texts,
    shipper: Shipper,
    released_at: Instant,
    released_day: Day,
    /// The log has commits that a release has folded.
    is_log_due: bool,
    /// Rows of the file may lie in the order in which they came.
    is_unordered: bool,
    /// When the file may be written anew for the sake of that order.
    order_at: Instant,
    /// When the file is to be written anew, because names have gone.
    rewrite_at: Option<Instant>,
    erasing: Vec<Erasing>,
    /// Sites that this process has erased: a core that took the table of sites before may still be at a
    /// hit of one. A number each, and no number is given again.
    gone: HashSet<SiteId>,
}

/// An erasure whose last batches are on their way.
struct Erasing {
    tails: Vec<(u32, BatchId)>,
    reply: SyncSender<Answer<()>>,
}

impl State {
    /// Pages whose names are forgotten are admitted no more.
    fn forget_admitted(&mut self) {
        self.held.forget_admitted(|page| self.texts.name(page).is_some());
    }
}

impl Committer {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// [`EdgeFileError`] when the disk failed: then nothing more is accepted and the process
    /// should end, to read back at its next start what really is on the disk.
    pub(crate) fn run(mut self) -> Result<(), EdgeFileError> {
        let mut state = self.begin()?;
        loop {
            self.publish(&mut state)?;
            self.doorbell.wait(RELEASE_INTERVAL / 2);
            if self.obey(&mut state)? {
                return self.drain(&mut state);
            }
            let hits = self.round(&mut state, false)?;
            self.rewrite(&mut state)?;
            if hits >= CROWDED_HITS {
                std::thread::sleep(gathering(hits));
            } else {
                self.tidy(&mut state)?;
            }
        }
    }

    /// Lets the file tell no visit apart, when there is time for it.
    fn tidy(&mut self, state: &mut State) -> Result<(), EdgeFileError> {
        if std::mem::take(&mut state.is_log_due) {
            state.is_unordered = true;
            self.empty_log(state)?;
        }
        if state.is_unordered && Instant::now() >= state.order_at {
            state.order_at = Instant::now() + ORDER_PAUSE;
            state.is_unordered = !self.order()?;
        }
        Ok(())
    }

    /// Writes a small file anew, in the order of its keys. SQLite lays new rows of a page one behind
    /// the other: whoever has the bytes would have the order in which they came, and where few come
    /// the names and the attributes of a visit side by side. `false` if it must be tried again.
    fn order(&mut self) -> Result<bool, EdgeFileError> {
        let is_small = self.file.size_bytes().map(|bytes| bytes <= ORDERED_BYTES_MAX);
        match is_small.and_then(|is_small| if is_small { self.file.write_anew() } else { Ok(()) }) {
            Ok(()) => Ok(true),
            // A disk that takes nothing speaks at the next commit.
            Err(error) if error.is_retryable() => Ok(false),
            Err(error) => self.survive(error).map(|()| false),
        }
    }

    /// Empties the log of the edge file. Where few come, a commit is one visit, and the log would
    /// tell visits apart long after a release has added them up; where many come, commits hold
    /// many visits and soon overwrite each other.
    fn empty_log(&mut self, state: &mut State) -> Result<(), EdgeFileError> {
        self.file.checkpoint().or_else(|error| {
            state.is_log_due = true;
            self.survive(error)
        })
    }

    /// Writes the edge file anew, once a day, when the names of finished days have gone. SQLite
    /// overwrites rows that are deleted, but not the copies of them that a page keeps between its
    /// rows when it is split.
    fn rewrite(&mut self, state: &mut State) -> Result<(), EdgeFileError> {
        let now = Instant::now();
        if state.rewrite_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        state.rewrite_at = None;
        match self.file.write_anew() {
            Err(error) if error.is_retryable() => {
                tracing::warn!(error = %error, "edge file cannot be written anew, trying again");
                state.rewrite_at = Some(now + REWRITE_PAUSE);
                Ok(())
            }
            Err(error) => self.survive(error),
            Ok(()) => Ok(()),
        }
    }

    /// What a start goes on from.
    fn begin(&mut self) -> Result<State, EdgeFileError> {
        let sites = self.file.sites()?;
        let state = State {
            held: std::mem::take(&mut self.recovered.held),
            texts: batches::Texts::new(&self.recovered.names, &sites),
            shipper: Shipper::new(std::mem::take(&mut self.recovered.outbox)),
            released_at: Instant::now(),
            released_day: Day(0),
            is_log_due: false,
            // A start does not know what the last one left.
            is_unordered: true,
            order_at: Instant::now(),
            rewrite_at: None,
            erasing: Vec::new(),
            gone: HashSet::new(),
        };
        self.recovered.names = Vec::new();
        Ok(state)
    }

    /// One group commit, with a release when one is due. Returns the number of its hits.
    fn round(&mut self, state: &mut State, flush: bool) -> Result<usize, EdgeFileError> {
        let groups: Vec<_> = self.shards.iter().map(|s| (Arc::clone(s), s.close())).collect();
        let mut merged = Tally::default();
        let mut decided = Vec::new();
        let mut hits = 0;
        for (shard, group) in groups {
            if let Some(closed) = group {
                merged.merge(closed.tally);
                hits += closed.hits;
                decided.push((shard, closed.group));
            }
        }
        failpoint::hit("commit-before");
        let mut names = self.names.take_unsaved();
        self.leave_out_gone(state, &mut merged, &mut names);
        let increments = merged.into_sorted();
        let full = state.held.len() + increments.len() > self.held_cells_max;
        let outcome = if full && !decided.is_empty() {
            self.metrics.held_full.inc();
            self.names.not_saved(names);
            self.write(state, &[], Vec::new(), true).map(|()| false)
        } else {
            self.write(state, &increments, names, flush).map(|()| true)
        };
        let (durable, result) = match outcome {
            Ok(durable) => (durable, Ok(())),
            Err(error) => (false, self.survive(error)),
        };
        failpoint::hit("commit-before-answers");
        for (shard, group) in decided {
            shard.decide(group, durable);
            failpoint::hit("commit-between-answers");
        }
        result.map(|()| hits)
    }

    /// What comes late of an erased site goes the same way: in the edge file it would be cells of
    /// nobody, and a damaged file at the next start.
    fn leave_out_gone(
        &self,
        state: &State,
        merged: &mut Tally<SiteId, NameId>,
        names: &mut Vec<Name>,
    ) {
        if state.gone.is_empty() {
            return;
        }
        drop(merged.take(|site, _| state.gone.contains(site)));
        let late: HashSet<SiteId> = names
            .extract_if(.., |name| state.gone.contains(&name.site))
            .map(|it| it.site)
            .collect();
        late.into_iter().for_each(|site| self.names.forget_site(site));
    }

    /// Writes a group and, when due, a release, in one transaction.
    fn write(
        &mut self,
        state: &mut State,
        increments: &[crate::release::EdgeCell],
        names: Vec<Name>,
        flush: bool,
    ) -> Result<(), EdgeFileError> {
        state.texts.learn(&names);
        let today = self.clock.hour().day();
        let due = flush
            || state.released_at.elapsed() >= RELEASE_INTERVAL
            || (state.released_day != today && !state.held.is_empty());
        let plan = if due { self.plan(state, increments, today) } else { None };
        let deletable = state.shipper.deletable();
        if increments.is_empty() && names.is_empty() && plan.is_none() && deletable.is_empty() {
            return Ok(());
        }
        let (plan, batches) = plan.unzip();
        let before = plan.as_ref().and_then(|plan| self.names_before(state, plan));
        let release = plan.as_ref().map(|plan| Folding {
            write: &plan.write,
            delete: &plan.delete,
            journal: &[],
            batches: batches.unwrap_or_default(),
            names_before: before,
        });
        // A release folds the journal, this group included: it need not be written there first.
        let in_journal = if release.is_some() { &[] } else { increments };
        let step = Step { names: &names, increments: in_journal, release, acked: &deletable };
        let started = Instant::now();
        let records = match self.file.commit(step) {
            Ok(records) => records,
            Err(error) => {
                self.names.not_saved(names);
                return Err(error);
            }
        };
        failpoint::hit("commit-after");
        self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
        state.held.add(increments);
        state.shipper.deleted(&deletable);
        if let Some(plan) = plan {
            state.held.released(&plan);
            state.released_at = Instant::now();
            state.released_day = today;
            state.is_log_due = true;
            state.shipper.put(records);
            if let Some(day) = before {
                self.names.forget_before(day);
                state.texts.forget_before(day);
                state.forget_admitted();
                state.rewrite_at = Some(Instant::now());
            }
        }
        self.metrics.gauges(state.held.len(), state.shipper.len(), self.names.total());
        Ok(())
    }

    /// The release that is due, with its batches; `None` if nothing would move and no name go.
    fn plan(
        &self,
        state: &State,
        increments: &[crate::release::EdgeCell],
        today: Day,
    ) -> Option<(Plan, Vec<Addressed>)> {
        let flow = state.shipper.len() < self.outbox_batches_max();
        let sites = Arc::clone(&self.sites.lock().unwrap_or_else(PoisonError::into_inner));
        let listed =
            |site, page| state.texts.name(page).is_some_and(|text| sites.lists(site, text));
        let plan = state.held.plan_with(increments, self.rule, (today, flow), listed);
        if plan.is_empty() && self.names_before(state, &plan).is_none() {
            return None;
        }
        let batches = state.texts.encode(&plan.leaving, self.partitions);
        Some((plan, batches))
    }

    /// Names of finished days may go when no cell of those days stays and no core can be about to
    /// add one.
    fn names_before(&self, state: &State, plan: &Plan) -> Option<Day> {
        let settled = self.clock.unix_seconds().saturating_sub(NAMES_GRACE_SECONDS);
        let day = Hour::of_unix(settled).day();
        if state.texts.first_day()? >= day {
            return None;
        }
        let writes = plan.write.iter().any(|(_, key, _)| key.day() < day);
        let stays = writes || state.held.keeps_before(day, &plan.delete);
        (!stays).then_some(day)
    }

    /// Offers the outbox and hears what has arrived.
    fn publish(&mut self, state: &mut State) -> Result<(), EdgeFileError> {
        state.shipper.ship(|record| {
            failpoint::hit("ship-before");
            let offered = self.publisher.offer(record);
            if offered == Offered::Sent {
                failpoint::hit("ship-after");
            }
            offered
        });
        while let Some(news) = self.publisher.news() {
            state.shipper.hear(news);
            failpoint::hit("ship-acked");
        }
        let has_passed = |it: &Erasing| state.shipper.has_passed(&it.tails);
        if state.erasing.iter().any(has_passed) { self.finish_erasing(state) } else { Ok(()) }
    }

    /// The last batches with counts of erased sites have arrived: now their bytes can go, once for
    /// everybody whose have. Batches of others that came meanwhile are not waited for.
    fn finish_erasing(&mut self, state: &mut State) -> Result<(), EdgeFileError> {
        let cleared = clear(&mut self.file, &mut state.shipper);
        let cleared = self.answerable(cleared)?;
        failpoint::hit("erase-cleared");
        let State { erasing, shipper, .. } = state;
        for done in erasing.extract_if(.., |it| shipper.has_passed(&it.tails)) {
            // The asker may have given up.
            drop(done.reply.send(cleared.clone()));
        }
        Ok(())
    }

    /// Batches in the outbox at most. Each partition gets two in a release.
    fn outbox_batches_max(&self) -> usize {
        let partitions = usize::try_from(self.partitions).unwrap_or(usize::MAX);
        OUTBOX_BATCHES_MAX.max(partitions.saturating_mul(4))
    }

    /// Does what was asked; `true` to stop.
    fn obey(&mut self, state: &mut State) -> Result<bool, EdgeFileError> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return Ok(true),
                Command::Sites(hosts, reply) => {
                    let ids = self.number(state, &hosts);
                    drop(reply.send(self.answerable(ids)?));
                }
                Command::Erase(host, reply) => {
                    self.round(state, true)?;
                    let erased = self.erase(state, &host);
                    match self.answerable(erased)? {
                        Ok(()) => {
                            failpoint::hit("erase-edge");
                            state.erasing.push(Erasing { tails: state.shipper.tails(), reply });
                        }
                        refused => drop(reply.send(refused)),
                    }
                }
            }
        }
        Ok(false)
    }

    fn number(
        &mut self,
        state: &mut State,
        hosts: &[SiteHost],
    ) -> Result<Vec<SiteId>, EdgeFileError> {
        let ids: Vec<_> =
            hosts.iter().map(|host| self.file.site_id(host)).collect::<Result<_, _>>()?;
        ids.iter().zip(hosts).for_each(|(id, host)| state.texts.site(*id, host));
        Ok(ids)
    }

    fn erase(&mut self, state: &mut State, host: &SiteHost) -> Result<(), EdgeFileError> {
        let site = self.file.site_id(host)?;
        let (delete, journal) = state.held.without(site);
        let folding = Folding { delete: &delete, journal: &journal, ..Folding::default() };
        self.file.erase_site(site, &folding)?;
        state.gone.insert(site);
        state.held.erase(site);
        self.names.forget_site(site);
        state.texts.forget_site(site);
        state.forget_admitted();
        Ok(())
    }

    /// What is told of a command. A failed disk ends the process here as it does for a hit.
    fn answerable<T>(&self, outcome: Result<T, EdgeFileError>) -> Result<Answer<T>, EdgeFileError> {
        match outcome {
            Err(error) if !error.is_retryable() => {
                self.metrics.commit_failures.inc();
                tracing::error!(error = %error, "edge file failed, stopping");
                Err(error)
            }
            outcome => Ok(outcome.map_err(Arc::new)),
        }
    }

    /// Says what a failed write means. Only a failed disk ends the process.
    fn survive(&mut self, error: EdgeFileError) -> Result<(), EdgeFileError> {
        self.metrics.commit_failures.inc();
        if !error.is_retryable() {
            tracing::error!(error = %error, "edge file failed, stopping");
            return Err(error);
        }
        tracing::warn!(error = %error, "edge file refused a write, hits get 503 until it takes one");
        // On a full disk the log itself may hold the room that is missing.
        if matches!(error, EdgeFileError::Full(_)) && self.file.checkpoint().is_ok() {
            return Ok(());
        }
        std::thread::sleep(FAILURE_PAUSE);
        Ok(())
    }

    /// The last rounds: everything that may leave, leaves, and the other side writes it down.
    fn drain(&mut self, state: &mut State) -> Result<(), EdgeFileError> {
        let deadline = Instant::now() + DRAIN_PATIENCE;
        self.round(state, true)?;
        loop {
            self.publish(state)?;
            // What nobody will acknowledge is sent again at the next start.
            let is_over = state.shipper.is_empty() || self.publisher.is_closed();
            if is_over || Instant::now() >= deadline {
                break;
            }
            self.doorbell.wait(Duration::from_millis(5));
        }
        self.round(state, false)?;
        self.rewrite(state)?;
        self.order()?;
        self.file.checkpoint()
    }
}

/// How long to wait for the next group after one of so many hits.
fn gathering(hits: usize) -> Duration {
    let share = u32::try_from(hits).unwrap_or(u32::MAX);
    let whole = u32::try_from(FULL_HITS).unwrap_or(u32::MAX);
    (GATHERING.end * share.min(whole) / whole).max(GATHERING.start)
}

/// Deletes what is acknowledged, and its bytes.
fn clear(file: &mut EdgeFile, shipper: &mut Shipper) -> Result<(), EdgeFileError> {
    let deletable = shipper.deletable();
    file.commit(Step { acked: &deletable, ..Step::default() })?;
    shipper.deleted(&deletable);
    file.write_anew()
}

#[cfg(test)]
mod tests;
