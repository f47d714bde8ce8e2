//! What every client of the library shares: where its words go, and how it ends.
//!
//! What it is not: a connection. The library keeps those itself and makes them anew.
//!
//! What surprises: why a connection fails is not in the error of the call that waited for it. It
//! arrives as an event beside it, so it is remembered here until someone asks.

use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::KafkaError;

/// Characters of a reason at most; brokers can be talkative.
const REASON_CHARS_MAX: usize = 300;

/// Why connections failed, as far as the library said.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    login: Option<String>,
    tls: Option<String>,
    last: Option<String>,
}

impl Faults {
    /// Remembers an event, and writes a new one to the log once.
    pub(super) fn note(&self, error: &ClientError, reason: &str) {
        let reason = one_line(reason);
        // How long a try took is part of the text and different each time.
        let reason = reason.split(" (after ").next().unwrap_or_default().to_owned();
        let mut seen = lock(&self.0);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication) => seen.login = Some(reason.clone()),
            Some(RDKafkaErrorCode::SSL) => seen.tls = Some(reason.clone()),
            // Says that nothing works, but not why; the reason came before it.
            Some(RDKafkaErrorCode::AllBrokersDown) => return,
            _ => {}
        }
        if seen.last.as_ref() == Some(&reason) {
            tracing::debug!(reason = %reason, "kafka connection failed again");
        } else {
            tracing::warn!(reason = %reason, "kafka connection failed, it is tried again");
            seen.last = Some(reason);
        }
    }

    /// What a human must mend, if the library has said so.
    pub(super) fn refusal(&self) -> Option<KafkaError> {
        let mut seen = lock(&self.0);
        let login = seen.login.take().map(KafkaError::Login);
        login.or_else(|| seen.tls.take().map(KafkaError::Tls))
    }

    /// The last thing that was said.
    pub(super) fn last(&self) -> Option<String> {
        lock(&self.0).last.clone()
    }
}

impl ClientContext for Faults {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.note(&error, reason);
    }
}

impl ConsumerContext for Faults {}

/// A line of the library's own log. Errors of a connection also come as events, and those are the
/// ones that are shown.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(facility, text, "kafka client");
        }
        _ => tracing::debug!(facility, text, "kafka client"),
    }
}

/// Ends a client on a thread of its own and waits for it, `patience` at most: its end joins
/// threads that may hang in the name service.
pub(super) fn dispose<T: Send + 'static>(client: T, patience: Duration) {
    let (done, is_done) = sync_channel(1);
    let end = move || {
        drop(client);
        done.send(()).ok();
    };
    // Without a thread the closure, and with it the client, is dropped here.
    let ended = thread::Builder::new().name("kafka-end".to_owned()).spawn(end);
    if ended.is_ok() && !patience.is_zero() && is_done.recv_timeout(patience).is_err() {
        tracing::warn!("kafka client does not end, it is left behind");
    }
}

/// A poisoned lock guards plain values here, which are never half written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reason as one line of reasonable length.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}

/// Whether an error means that the broker knows us and says no.
pub(super) fn is_forbidden(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn a_refusal_is_told_once_and_a_reason_stays() {
        let faults = Faults::default();
        assert!(faults.refusal().is_none());
        faults.note(&ClientError::Global(Code::BrokerTransportFailure), "refused (after 1ms)");
        faults.note(&ClientError::Global(Code::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(faults.last().as_deref(), Some("refused"));
        assert!(faults.refusal().is_none());
        faults.note(&ClientError::Global(Code::Authentication), "wrong\n  password");
        faults.note(&ClientError::Global(Code::SSL), "no certificate");
        assert!(
            matches!(faults.refusal(), Some(KafkaError::Login(why)) if why == "wrong password")
        );
        assert!(matches!(faults.refusal(), Some(KafkaError::Tls(_))));
        assert!(faults.refusal().is_none());
    }

    #[test]
    fn a_client_that_does_not_end_is_left_behind() {
        struct Stubborn(std::sync::mpsc::Receiver<()>);
        impl Drop for Stubborn {
            fn drop(&mut self) {
                self.0.recv().unwrap_err();
            }
        }
        let (held, never) = std::sync::mpsc::channel();
        let begun = std::time::Instant::now();
        dispose(Stubborn(never), Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(held);
    }
}
