//! Exports of other tools: any bytes get an answer, below each tool's own head too.
//!
//! What it is not: a check of what is kept of them; the sanitisers have targets of their own.
//!
//! What surprises: where a file has a row for each view, every row given on is one view.

#![no_main]

use headcount_collector::totals::{Tool, read};
use libfuzzer_sys::fuzz_target;

/// A head of each tool.
const HEADS: [&str; 4] = [
    "date,page,visits,visitors,pageviews\n",
    "website_id,url_path,event_type,created_at\n",
    "2Path,Event,Bot,Date\n",
    "date,label,nb_visits,nb_uniq_visitors,nb_hits,metadata_is_aggregate,metadata_url,metadata_segment\n",
];

fuzz_target!(|bytes: &[u8]| {
    for tool in Tool::ALL {
        let answer = read(tool, bytes, &mut |row| {
            std::hint::black_box(row.hour);
        });
        std::hint::black_box(answer.is_ok());
    }
    for (tool, head) in Tool::ALL.into_iter().zip(HEADS) {
        let content = [head.as_bytes(), bytes].concat();
        let (mut rows, mut views) = (0, 0u128);
        let answer = read(tool, &content, &mut |row| {
            rows += 1;
            views += u128::from(row.counts.views);
        });
        if answer.is_ok() && matches!(tool, Tool::Umami | Tool::GoatCounter) {
            assert_eq!(views, rows);
        }
    }
});
