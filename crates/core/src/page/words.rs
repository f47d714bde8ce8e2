//! The word lists of the policy, and an owner's additions to them.
//!
//! What it is not: a dictionary. A word counts where it stands alone as a segment (the context of
//! the next one) or leads a labelled number (W7).
//!
//! What surprises: words are compared with lower-cased clean text. `sok` and `sök` are both
//! strong and static: as a context they redact, after a context they stay.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use foldhash::fast::FixedState;

/// Segments after one of these name or describe a person.
const STRONG: &str = "accept activate activation anvandare användare aterstall avregistrera \
    bekrafta bekräfta buscar confirm confirmation dob elev elever employee employees impersonate \
    inbjudan inbjudningar invitation invitations invite invites magic-link medlem medlemmar \
    member members opt-out optout password-reset patient patienter patients personnummer pnr \
    profil profile profiler profiles q query recherche reset reset-password search sid sok ssn \
    student students suche sök token u uid unsubscribe user user-id userid username users usr \
    verify verify-email zoek återställ";

/// Segments with a digit after one of these number a transaction or an account.
const WEAK: &str = "account accounts arende arenden basket baskets bestallning bestallningar \
    beställning beställningar bokning bokningar booking bookings cart carts checkout checkouts \
    client clients customer customers faktura fakturor id ids invoice invoices konto konton kund \
    kunder kvitto kvitton message messages order orders ordrar payment payments receipt receipts \
    ref reservation reservations subscription subscriptions ticket tickets ärende ärenden";

/// Segments that are a page of the site wherever they stand.
const STATIC: &str = "about accept add advanced all alla area billing complete create done edit \
    email error expired failed faq guide help hjalp hjälp home index installningar inställningar \
    klart list log-in log-out logga-in logga-ut login logout losenord lösenord me new \
    notifications ny nytt om overview page password preferences privacy redigera register \
    registrera resend search security sent settings sida sign-in sign-up signin signup skapa sok \
    success sök tack terms thank-you thanks villkor";

/// Bytes of the longest word there may be; a longer text is not looked up.
pub(super) const WORD_BYTES_MAX: usize = 40;
/// Letters that a word needs before a number after it is a labelled number (W7).
const LABEL_LETTERS_MIN: usize = 4;

static LISTED: LazyLock<HashMap<&'static str, Force, FixedState>> = LazyLock::new(|| {
    let strong = STRONG.split_ascii_whitespace().map(|word| (word, Force::Strong));
    let weak = WEAK.split_ascii_whitespace().map(|word| (word, Force::Weak));
    strong.chain(weak).collect()
});

static STATIC_WORDS: LazyLock<HashSet<&'static str, FixedState>> =
    LazyLock::new(|| STATIC.split_ascii_whitespace().collect());

/// What a word does as the context of the next segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Force {
    /// Redacts what is not static (W5).
    Strong,
    /// Redacts what has a digit (W6).
    Weak,
}

/// The lists of the policy with an owner's words.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    added: HashMap<Box<str>, Force, FixedState>,
}

impl Words {
    /// Adds an owner's word. What is strong stays strong: no addition may weaken a rule.
    pub(super) fn add(&mut self, word: &str, force: Force) {
        if self.force(word) != Some(Force::Strong) {
            self.added.insert(word.into(), force);
        }
    }

    /// The force of a lower-cased text, if it is a word of a list.
    pub(super) fn force(&self, text: &str) -> Option<Force> {
        if text.len() > WORD_BYTES_MAX {
            return None;
        }
        if !self.added.is_empty()
            && let Some(force) = self.added.get(text)
        {
            return Some(*force);
        }
        LISTED.get(text).copied()
    }

    /// Whether the text is a word that can label a number (W7).
    pub(super) fn is_label(&self, text: &str) -> bool {
        text.chars().filter(|c| c.is_alphabetic()).count() >= LABEL_LETTERS_MIN
            && self.force(text).is_some()
    }
}

/// Whether a lower-cased text is a word of STATIC.
pub(super) fn is_static(text: &str) -> bool {
    text.len() <= WORD_BYTES_MAX && STATIC_WORDS.contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_whole() {
        assert_eq!(STRONG.split_ascii_whitespace().count(), 68);
        assert_eq!(WEAK.split_ascii_whitespace().count(), 52);
        assert_eq!(STATIC.split_ascii_whitespace().count(), 68);
        let words = [STRONG, WEAK, STATIC].join(" ");
        assert!(words.split_ascii_whitespace().all(|w| w.len() <= WORD_BYTES_MAX));
    }

    #[test]
    fn additions_never_weaken() {
        let mut words = Words::default();
        words.add("users", Force::Weak);
        words.add("order", Force::Strong);
        words.add("avtal", Force::Weak);
        words.add("avtal", Force::Strong);
        assert_eq!(words.force("users"), Some(Force::Strong));
        assert_eq!(words.force("order"), Some(Force::Strong));
        assert_eq!(words.force("avtal"), Some(Force::Strong));
        assert_eq!(words.force("docs"), None);
    }
}
