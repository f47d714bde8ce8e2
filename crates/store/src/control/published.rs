//! Numbers that were published with noise, each drawn once.
//!
//! What it is not: the drawing. Who draws hands the numbers over and gets back what counts.
//!
//! What surprises: of two that draw at once one loses its draw and gets the other's, so both print
//! the same.

use headcount_core::site::SiteHost;
use headcount_core::time::Day;

use super::Control;
use super::admin::Act;
use crate::error::{Doing as _, StoreError};

/// The visitors of a UTC day as they were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The day.
    pub day: Day,
    /// Its visitors with noise; may be below 0.
    pub visitors: i64,
    /// The epsilon of the noise, in thousandths.
    pub epsilon: u32,
}

/// With which noise days of a site were published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedNoise {
    /// The site.
    pub site: SiteHost,
    /// The smallest and the largest epsilon of its days, in thousandths.
    pub epsilons: [u32; 2],
}

impl Control {
    /// The noise of what was published, for each site that has published days, sorted by host.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn published_noise(&self) -> Result<Vec<PublishedNoise>, StoreError> {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows: Vec<(String, u32, u32)> = self
            .conn
            .prepare_cached(include_str!("sql/published_noise.sql"))
            .and_then(|mut get| get.query_map([], row)?.collect())
            .doing("read what was published")?;
        let noise = |(site, least, most): (String, u32, u32)| {
            Ok(PublishedNoise { site: self.host(&site)?, epsilons: [least, most] })
        };
        rows.into_iter().map(noise).collect()
    }

    /// What was published of a site from `from` to `to`, both included, in the order of days.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn published(
        &self,
        site: &SiteHost,
        [from, to]: [Day; 2],
    ) -> Result<Vec<Published>, StoreError> {
        let row = |row: &rusqlite::Row<'_>| {
            let [day, visitors, epsilon] = [row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?];
            Ok((day, visitors, epsilon))
        };
        let rows: Vec<(i64, i64, i64)> = self
            .conn
            .prepare_cached(include_str!("sql/published_days.sql"))
            .and_then(|mut get| get.query_map((site.as_str(), from.0, to.0), row)?.collect())
            .doing("read what was published")?;
        let published = |(day, visitors, epsilon): (i64, i64, i64)| {
            let day = Day(u32::try_from(day).ok()?);
            Some(Published { day, visitors, epsilon: u32::try_from(epsilon).ok()? })
        };
        rows.into_iter()
            .map(|row| published(row).ok_or_else(|| self.damaged("a published day is no day")))
            .collect()
    }

    /// Keeps the draws of days that had none. Returns how many were kept.
    ///
    /// # Errors
    /// [`StoreError::SiteErased`] if the site was erased in the meantime; when the file cannot be
    /// written.
    pub fn publish(&mut self, site: &SiteHost, drawn: &[Published]) -> Result<usize, StoreError> {
        let doing = "keep what is published";
        self.act(doing, |tx, log| {
            let is_erased: bool = tx
                .query_row(include_str!("sql/is_erased.sql"), [site.as_str()], |row| row.get(0))
                .doing(doing)?;
            if is_erased {
                return Err(StoreError::SiteErased { host: site.to_string() });
            }
            let mut kept = 0;
            for Published { day, visitors, epsilon } in drawn {
                let values = (site.as_str(), day.0, visitors, epsilon);
                kept += tx.execute(include_str!("sql/publish_day.sql"), values).doing(doing)?;
            }
            if kept > 0 {
                log.add(Act::Publish, Some(site), &format!("{kept} days drawn"))?;
            }
            Ok(kept)
        })
    }

    /// Forgets what was published of days before `oldest`, whose counts are not kept either. Returns
    /// how many days.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn published_forget(&mut self, oldest: Day) -> Result<usize, StoreError> {
        let sql = include_str!("sql/forget_published_days.sql");
        self.conn.execute(sql, [oldest.0]).doing("forget what was published")
    }
}
