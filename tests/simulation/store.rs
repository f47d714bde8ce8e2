//! ClickHouse, as far as the protocol meets it; and SQLite, which is simpler.
//!
//! What it is not: tables. A part is the rows that one insert published at once.
//!
//! What surprises: the order of "token written down" and "part published" differs between versions
//! of ClickHouse, and a crash between the two leaves a token without a part or a part without a
//! token. A token counts per partition only.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use headcount_aggregator::lane::{Answer, Insert};
use headcount_core::batch::BatchId;
use headcount_core::cell::CellKey;
use headcount_core::ledger::{Standing, Stream};
use headcount_core::time::Day;

use crate::setting::{Flaw, Setting};
use crate::world::{World, say};

/// A source: a partition of Kafka, or a collector and its epoch.
pub(crate) type Src = (u64, u64);

pub(crate) struct Store {
    pub(crate) parts: Vec<Part>,
    tokens: VecDeque<Token>,
    /// Tokens ever written down.
    pub(crate) tokens_made: usize,
    pub(crate) requests: Vec<Request>,
    answers: BTreeMap<u64, Answer>,
    requests_made: u64,
    pub(crate) is_down: bool,
    is_read_only: bool,
}

/// Source, `lo`, attempt, block and partition; the last number is 0 but for flaws.
type Token = (Src, u64, u32, usize, Day, u64);

pub(crate) struct Part {
    pub(crate) src: Src,
    pub(crate) day: Day,
    pub(crate) ledger: Option<Row>,
    pub(crate) pages: Vec<u32>,
    pub(crate) devices: u64,
    /// Tokens ever written down then.
    published: usize,
}

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) lo: u64,
    pub(crate) hi: u64,
    /// Views of pages and devices: the totals.
    pub(crate) views: u64,
    last_seqs: Vec<BatchId>,
}

pub(crate) struct Request {
    pub(crate) id: u64,
    src: Src,
    lo: u64,
    hi: u64,
    attempt: u32,
    stage: Stage,
    /// Blocks that are not published: one, but for flaws.
    blocks: VecDeque<Rc<Block>>,
    block: usize,
    /// Tokens ever written down when the ledger was read for it, or with a guard when it began to
    /// run; then when its own was written down.
    begun: usize,
    /// On its way for long.
    is_slow: bool,
}

struct Block {
    day: Day,
    ledger: Option<Row>,
    pages: Vec<u32>,
    devices: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// Not at the store yet.
    Network,
    Running,
    /// Its token is written down, its part not published.
    Recorded,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            parts: Vec::new(),
            tokens: VecDeque::new(),
            tokens_made: 0,
            requests: Vec::new(),
            answers: BTreeMap::new(),
            requests_made: 0,
            is_down: false,
            is_read_only: false,
        }
    }

    /// What the ledger says of a source.
    pub(crate) fn standing(&self, src: Src) -> Standing {
        self.standing_of(src, None, false)
    }

    fn standing_of(&self, src: Src, today: Option<Day>, last_row_only: bool) -> Standing {
        let mut standing = Standing::default();
        let parts = self.parts.iter().filter(|part| part.src == src);
        for part in parts.filter(|part| today.is_none_or(|day| part.day == day)) {
            let Some(row) = &part.ledger else { continue };
            if last_row_only && row.hi > standing.applied {
                standing.last_seqs.clear();
            }
            standing.applied = standing.applied.max(row.hi);
            for id in &row.last_seqs {
                let last = standing.last_seqs.entry(Stream::of(*id)).or_default();
                *last = id.seq.max(*last);
            }
        }
        standing
    }

    /// The answer to a request, once; `None` while there is none.
    pub(crate) fn answer(&mut self, id: u64) -> Option<Answer> {
        self.answers.remove(&id)
    }

    /// Whether a request is still on its way or running.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.requests.iter().any(|request| request.id == id)
    }

    fn remember(&mut self, token: Token, window: usize) {
        self.tokens.push_back(token);
        self.tokens_made += 1;
        while self.tokens.len() > window
            && let Some(old) = self.tokens.iter().position(|token| self.is_old(token, window))
        {
            self.tokens.remove(old);
        }
    }

    /// Whether the range of a token was published half a window ago. The windows here are tiny so
    /// that such ranges are forgotten; one that is in use outlasts the tries at one range.
    fn is_old(&self, (src, lo, ..): &Token, window: usize) -> bool {
        let is_row = |part: &Part| part.ledger.as_ref().is_some_and(|row| row.lo == *lo);
        let since = |part: &Part| self.tokens_made - part.published;
        self.parts.iter().any(|part| part.src == *src && is_row(part) && since(part) >= window / 2)
    }

    /// Whether a token has no part.
    fn is_spent(&self, (src, lo, ..): &Token) -> bool {
        let is_row = |part: &Part| part.ledger.as_ref().is_some_and(|row| row.lo == *lo);
        !self.parts.iter().any(|part| part.src == *src && is_row(part))
    }
}

impl World {
    /// What an aggregator is told when it reads the ledger.
    pub(crate) fn read_ledger(&self, src: Src) -> Standing {
        let flaw = self.protocol.flaw();
        let today = (flaw == Some(Flaw::ReadToday)).then(|| self.hour(0).day());
        self.store.standing_of(src, today, flaw == Some(Flaw::LastRowOnly))
    }

    /// Sends an insert; its number.
    pub(crate) fn send(&mut self, src: Src, insert: Insert, attempt: u32, begun: usize) -> u64 {
        let flaw = self.protocol.flaw();
        let clock = (flaw == Some(Flaw::DayFromClock)).then(|| self.hour(0).day());
        self.store.requests_made += 1;
        let id = self.store.requests_made;
        let (lo, hi) = (insert.lo, insert.hi);
        say!(
            self,
            "insert {id}: src {src:?} {lo}..={hi} attempt {attempt} {:?}",
            insert.closed_day
        );
        let is_slow = self.setting.faults.late && self.rng.percent(30);
        let blocks = blocks(insert, clock, flaw);
        self.store.requests.push(Request {
            id,
            src,
            lo,
            hi,
            attempt,
            stage: Stage::Network,
            blocks,
            block: 0,
            begun,
            is_slow,
        });
        id
    }

    /// One step of one request.
    pub(crate) fn run_store(&mut self, r: usize) {
        if self.store.is_down {
            return;
        }
        if self.setting.embedded {
            return self.run_sqlite(r);
        }
        let stage = self.store.requests[r].stage;
        match stage {
            Stage::Network if self.store.requests[r].is_slow && self.is_delayed() => {}
            Stage::Network => self.receive(r),
            Stage::Running => self.execute(r),
            Stage::Recorded if self.is_overdue(r) => {
                self.seen.spent += 1;
                self.finish(r, Answer::Unclear);
            }
            // The rare moment that everything hangs on is made long.
            Stage::Recorded if self.rng.percent(60) => {}
            Stage::Recorded => {
                self.publish(r);
                self.store.requests[r].stage = Stage::Running;
            }
        }
    }

    fn is_delayed(&mut self) -> bool {
        !self.rng.percent(if self.draining { 20 } else { 4 })
    }

    fn receive(&mut self, r: usize) {
        let request = &self.store.requests[r];
        let (id, lo) = (request.id, request.lo);
        if self.setting.faults.late && self.rng.percent(5) {
            say!(self, "insert {id} is lost on its way");
            self.store.requests.swap_remove(r);
            return;
        }
        let is_guarded = self.setting.guarded && self.protocol.flaw() != Some(Flaw::NoGuard);
        let has_range = is_guarded && self.store.standing(request.src).applied >= lo;
        let is_full = self.setting.faults.refuse && self.rng.percent(10);
        if has_range || is_full || self.store.is_read_only {
            self.seen.guarded += usize::from(has_range);
            return self.finish(r, Answer::Refused);
        }
        let now = self.store.tokens_made;
        let request = &mut self.store.requests[r];
        request.stage = Stage::Running;
        if self.setting.guarded {
            request.begun = now;
        }
    }

    /// `max_execution_time`: neither half of an insert, before its token and after it, may outlive
    /// half of the window.
    fn is_overdue(&self, r: usize) -> bool {
        let request = &self.store.requests[r];
        let is_first = request.block == 0;
        is_first && self.store.tokens_made - request.begun >= self.setting.window / 2
    }

    fn execute(&mut self, r: usize) {
        if !self.store.requests[r].blocks.is_empty() && self.is_overdue(r) {
            return self.finish(r, Answer::Refused);
        }
        let flaw = self.protocol.flaw();
        let window = self.setting.window;
        let request = &mut self.store.requests[r];
        let Some(block) = request.blocks.front() else { return self.finish(r, Answer::Success) };
        let extra = match flaw {
            Some(Flaw::HiInToken) => request.hi,
            Some(Flaw::NoToken) => request.id,
            _ => 0,
        };
        let token = (request.src, request.lo, request.attempt, request.block, block.day, extra);
        if self.store.tokens.contains(&token) {
            self.seen.deduplicated += 1;
            request.blocks.pop_front();
            request.block += 1;
        } else if self.setting.token_first {
            request.stage = Stage::Recorded;
            self.store.remember(token, window);
            self.store.requests[r].begun = self.store.tokens_made;
        } else {
            self.publish(r);
            if self.setting.faults.store_crash && self.rng.percent(8) {
                return self.crash_store();
            }
            self.store.remember(token, window);
        }
    }

    fn publish(&mut self, r: usize) {
        let request = &mut self.store.requests[r];
        let Some(block) = request.blocks.pop_front() else { return };
        request.block += 1;
        say!(self, "insert {} is published", request.id);
        self.store.parts.push(Part {
            src: request.src,
            day: block.day,
            ledger: block.ledger.clone(),
            pages: block.pages.clone(),
            devices: block.devices,
            published: self.store.tokens_made,
        });
    }

    fn finish(&mut self, r: usize, answer: Answer) {
        let request = self.store.requests.swap_remove(r);
        say!(self, "insert {} ends: {answer:?}", request.id);
        self.store.answers.insert(request.id, answer);
    }

    /// One transaction: whole or not at all, in the order of the ledger or refused.
    fn run_sqlite(&mut self, r: usize) {
        let request = &self.store.requests[r];
        let is_next = self.store.standing(request.src).applied + 1 == request.lo;
        if !is_next || self.setting.faults.refuse && self.rng.percent(10) {
            return self.finish(r, Answer::Refused);
        }
        let is_unclear = self.setting.faults.late && self.rng.percent(15);
        if !is_unclear || self.rng.percent(50) {
            while !self.store.requests[r].blocks.is_empty() {
                self.publish(r);
            }
        }
        self.finish(r, if is_unclear { Answer::Unclear } else { Answer::Success });
    }

    /// The store dies with everything that runs in it.
    pub(crate) fn crash_store(&mut self) {
        let is_cut = self.setting.faults.power_cut && self.rng.percent(50);
        say!(self, "the store dies{}", if is_cut { ", by a power cut" } else { "" });
        if is_cut {
            let lost = self.rng.below(3);
            self.forget_tokens(lost);
        }
        let spent = self.store.requests.iter().filter(|r| r.stage == Stage::Recorded).count();
        self.seen.spent += spent;
        // A crash may take the token of a published part. Then only the guard stops a twin that
        // comes after it; without one the connections are thought to end with the store.
        let guarded = self.setting.guarded;
        self.store.requests.retain(|r| r.stage == Stage::Network && guarded);
        if !guarded {
            self.cut_off_aggregators();
        }
        self.store.is_down = true;
    }

    /// The log of tokens is never synced. But a token without a part is older than this crash: with
    /// a twin about, forgetting it would need a crash between token and part, another that cuts the
    /// power within seconds, and two aggregators that saw different halves, or one that was started
    /// again while its insert was on the way. `README.md` says so.
    fn forget_tokens(&mut self, mut lost: usize) {
        let Setting { aggregators, guarded, faults, .. } = &self.setting;
        let has_twins = *aggregators > 1 || *guarded || faults.aggregator_crash;
        while lost > 0
            && let Some(last) = self.store.tokens.back()
            && !(has_twins && self.store.is_spent(last))
        {
            self.store.tokens.pop_back();
            lost -= 1;
        }
    }

    pub(crate) fn break_store(&mut self) {
        if self.store.is_down {
            self.store.is_down = false;
            say!(self, "the store is back");
        } else if self.setting.faults.refuse && self.rng.percent(50) {
            self.store.is_read_only = !self.store.is_read_only;
        } else if self.setting.faults.store_crash {
            self.crash_store();
        }
    }

    /// Beyond what a disk promises: the last part is gone.
    pub(crate) fn lose_part(&mut self) {
        if self.store.parts.pop().is_some() {
            say!(self, "the store loses a part");
            self.is_beyond = true;
        }
    }

    pub(crate) fn heal_store(&mut self) {
        (self.store.is_down, self.store.is_read_only) = (false, false);
    }

    /// Ends what runs of a range: killed, or waited for.
    pub(crate) fn fence(&mut self, src: Src, lo: u64) {
        self.seen.fenced += 1;
        if self.protocol.flaw() == Some(Flaw::FenceNothing) {
            return;
        }
        // After a token was spent, a request that is late by a whole window would pass both the
        // guard and the tokens. A window this small is not for use; one that is outlasts it.
        let is_tiny = self.setting.window < 100;
        let mut r = 0;
        while let Some(request) = self.store.requests.get(r) {
            let runs = request.stage != Stage::Network;
            if (request.src, request.lo) != (src, lo) || !runs && !is_tiny {
                r += 1;
            } else if runs && self.rng.percent(60) {
                self.run_store(r);
                r = 0;
            } else {
                say!(self, "insert {} is killed", request.id);
                self.store.requests.swap_remove(r);
            }
        }
    }
}

/// An insert as the blocks that are published one by one: a single one, but for flaws.
fn blocks(insert: Insert, clock: Option<Day>, flaw: Option<Flaw>) -> VecDeque<Rc<Block>> {
    let day = clock.unwrap_or(insert.closed_day);
    let mut cells: Vec<(Day, Option<u32>, u64)> = Vec::new();
    for (_, key, counts) in insert.batches.iter().flat_map(|batch| batch.cells()) {
        match key {
            CellKey::Page { page, .. } => {
                let hit = page.trim_start_matches('/').parse().unwrap();
                cells.extend((0..counts.views).map(|_| (key.day(), Some(hit), 0)));
            }
            _ => cells.push((key.day(), None, counts.views)),
        }
    }
    let ledger = Row {
        lo: insert.lo,
        hi: insert.hi,
        views: cells.iter().map(|(_, hit, devices)| devices + u64::from(hit.is_some())).sum(),
        last_seqs: insert.last_seqs,
    };
    let block = |day, ledger, cells: &[(Day, Option<u32>, u64)]| {
        let pages = cells.iter().filter_map(|(_, hit, _)| *hit).collect();
        let devices = cells.iter().map(|(_, _, devices)| *devices).sum();
        Rc::new(Block { day, ledger, pages, devices })
    };
    let half = cells.len() / 2;
    let blocks = match flaw {
        Some(Flaw::LedgerFirst) => vec![block(day, Some(ledger), &[]), block(day, None, &cells)],
        Some(Flaw::LedgerLast) => vec![block(day, None, &cells), block(day, Some(ledger), &[])],
        Some(Flaw::TwoBlocks) => {
            vec![block(day, Some(ledger), &cells[..half]), block(day, None, &cells[half..])]
        }
        Some(Flaw::ManyPartitions) => {
            let mut by_day: BTreeMap<Day, Vec<_>> = BTreeMap::new();
            cells.into_iter().for_each(|cell| by_day.entry(cell.0).or_default().push(cell));
            let mut ledger = Some(ledger);
            by_day.iter().map(|(day, cells)| block(*day, ledger.take(), cells)).collect()
        }
        _ => vec![block(day, Some(ledger), &cells)],
    };
    blocks.into()
}
