//! What a call to ClickHouse can fail with, and what that says about an insert.
//!
//! What it is not: the server's own words. They may quote a row, and a row may hold a page that
//! a visitor asked for; the number and the name of the error are kept, the rest is dropped.
//!
//! What surprises: "the server said no" does not mean "nothing was written". Only errors that come
//! before the write are trusted to mean that ([`ServerFault::is_before_write`]).

use clickhouse::error::Error as ClientError;
use thiserror::Error;

use crate::error::StoreError;

/// The cause of a failed call to ClickHouse.
#[derive(Debug, Error)]
pub enum ServerFault {
    /// The server answered with an error.
    #[error("clickhouse error {code} {name}")]
    Refused {
        /// ClickHouse's number of the error; 0 if it gave none.
        code: u32,
        /// ClickHouse's name of the error.
        name: String,
    },
    /// No connection was made: the request never left.
    #[error("no connection")]
    NoConnection {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke, with the request sent perhaps.
    #[error("the connection broke")]
    Broken {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("no answer in {seconds} s")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// The answer, or what was to be sent, has another shape than expected.
    #[error("not the expected rows")]
    Shape {
        /// The cause.
        #[source]
        source: ClientError,
    },
}

/// Errors of ClickHouse that pass by themselves or when room is made. A full disk has many names.
const RETRYABLE: [u32; 34] = [
    3,    // UNEXPECTED_END_OF_FILE
    23,   // CANNOT_READ_FROM_ISTREAM
    24,   // CANNOT_WRITE_TO_OSTREAM
    74,   // CANNOT_READ_FROM_FILE_DESCRIPTOR
    75,   // CANNOT_WRITE_TO_FILE_DESCRIPTOR
    76,   // CANNOT_OPEN_FILE
    95,   // CANNOT_READ_FROM_SOCKET
    96,   // CANNOT_WRITE_TO_SOCKET
    159,  // TIMEOUT_EXCEEDED
    173,  // CANNOT_ALLOCATE_MEMORY
    202,  // TOO_MANY_SIMULTANEOUS_QUERIES
    209,  // SOCKET_TIMEOUT
    210,  // NETWORK_ERROR
    225,  // NO_ZOOKEEPER
    236,  // ABORTED
    241,  // MEMORY_LIMIT_EXCEEDED
    242,  // TABLE_IS_READ_ONLY
    243,  // NOT_ENOUGH_SPACE
    244,  // UNEXPECTED_ZOOKEEPER_ERROR
    252,  // TOO_MANY_PARTS
    285,  // TOO_FEW_LIVE_REPLICAS
    286,  // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    289,  // REPLICA_IS_NOT_IN_QUORUM
    319,  // UNKNOWN_STATUS_OF_INSERT
    388,  // CANNOT_ASSIGN_OPTIMIZE
    394,  // QUERY_WAS_CANCELLED
    425,  // SYSTEM_ERROR
    473,  // DEADLOCK_AVOIDED
    499,  // S3_ERROR
    735,  // QUERY_WAS_CANCELLED_BY_CLIENT
    745,  // SERVER_OVERLOADED
    999,  // KEEPER_EXCEPTION
    1000, // POCO_EXCEPTION
    1001, // STD_EXCEPTION
];
/// Errors of ClickHouse that come before anything of an insert is written.
const BEFORE_WRITE: [u32; 19] = [
    16,  // NO_SUCH_COLUMN_IN_TABLE
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    33,  // CANNOT_READ_ALL_DATA
    36,  // BAD_ARGUMENTS
    60,  // UNKNOWN_TABLE
    62,  // SYNTAX_ERROR
    81,  // UNKNOWN_DATABASE
    115, // UNKNOWN_SETTING
    117, // INCORRECT_DATA
    164, // READONLY
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    242, // TABLE_IS_READ_ONLY
    252, // TOO_MANY_PARTS
    285, // TOO_FEW_LIVE_REPLICAS
    452, // SETTING_CONSTRAINT_VIOLATION
    497, // ACCESS_DENIED
    516, // AUTHENTICATION_FAILED
];
/// `TIMEOUT_EXCEEDED`.
pub(super) const TIMEOUT_EXCEEDED: u32 = 159;
/// `TOO_MANY_ROWS`, `TOO_MANY_ROWS_OR_BYTES`: an answer or its groups are over a limit.
pub(super) const TOO_MANY_ROWS: [u32; 2] = [158, 396];
/// `UNKNOWN_DATABASE`.
pub(super) const UNKNOWN_DATABASE: u32 = 81;
/// `UNKNOWN_USER`, `WRONG_PASSWORD`, `REQUIRED_PASSWORD`, `AUTHENTICATION_FAILED`.
pub(super) const NOT_AUTHENTICATED: [u32; 4] = [192, 193, 194, 516];
/// `READONLY`, `SETTING_CONSTRAINT_VIOLATION`: a setting may not be changed.
pub(super) const CONSTRAINED: [u32; 2] = [164, 452];
/// `CANNOT_ASSIGN_OPTIMIZE`, `ABORTED`: another merge is running.
pub(super) const MERGE_BUSY: [u32; 2] = [388, 236];

impl ServerFault {
    /// Sorts a failure of the client.
    pub(super) fn of(error: ClientError) -> Self {
        match error {
            ClientError::BadResponse(text) => Self::of_text(&text),
            ClientError::Network(source) => {
                let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*source);
                while let Some(error) = cause {
                    let client = error.downcast_ref::<hyper_util::client::legacy::Error>();
                    if client.is_some_and(hyper_util::client::legacy::Error::is_connect) {
                        return Self::NoConnection { source };
                    }
                    cause = error.source();
                }
                Self::Broken { source }
            }
            ClientError::TimedOut => Self::Silent { seconds: 0 },
            other => Self::Shape { source: other },
        }
    }

    /// Number and name from `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`.
    fn of_text(text: &str) -> Self {
        let digits = text.split_once("Code: ").map_or("", |(_, rest)| rest);
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        let is_name = |word: &&str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let names = text.rsplit('(').filter_map(|rest| rest.split_once(')').map(|it| it.0));
        let name = names.into_iter().find(is_name).unwrap_or_default();
        Self::Refused { code: digits.parse().unwrap_or(0), name: name.to_owned() }
    }

    /// The server's number of the error, if the server answered with one.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::NoConnection { .. }
            | Self::Broken { .. }
            | Self::Silent { .. }
            | Self::Shape { .. } => None,
        }
    }

    /// Whether the same call may succeed later without a human.
    pub fn is_retryable(&self) -> bool {
        match self {
            // No number: a proxy between, or a server that was killed while it answered.
            Self::Refused { code, .. } => *code == 0 || RETRYABLE.contains(code),
            Self::NoConnection { .. } | Self::Broken { .. } | Self::Silent { .. } => true,
            Self::Shape { .. } => false,
        }
    }

    /// Whether an insert that failed so has surely written nothing.
    pub(super) fn is_before_write(&self) -> bool {
        match self {
            Self::Refused { code, .. } => BEFORE_WRITE.contains(code),
            Self::NoConnection { .. } => true,
            Self::Broken { .. } | Self::Silent { .. } | Self::Shape { .. } => false,
        }
    }
}

/// An insert that was not confirmed.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// It may have been written or not: read the standing, and fence before a new attempt.
    #[error("whether the insert was written is unclear")]
    Unclear(#[source] StoreError),
    /// Nothing of it was written.
    #[error("the insert was refused")]
    Refused(#[source] StoreError),
}

impl ApplyError {
    /// An insert that failed on its way or at the server.
    pub(super) fn of_insert(error: StoreError) -> Self {
        match &error {
            StoreError::Server { source, .. } if !source.is_before_write() => Self::Unclear(error),
            _ => Self::Refused(error),
        }
    }

    /// What failed.
    pub fn cause(&self) -> &StoreError {
        match self {
            Self::Unclear(error) | Self::Refused(error) => error,
        }
    }

    /// Whether going on may succeed without a human: for [`ApplyError::Unclear`] by reading the
    /// standing, for [`ApplyError::Refused`] by the same call.
    pub fn is_retryable(&self) -> bool {
        self.cause().is_retryable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: u32, name: &str) {
        match ServerFault::of_text(text) {
            ServerFault::Refused { code: found, name: word } => {
                assert_eq!((found, &*word), (code, name), "{text}");
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_full_disk_is_waited_for_under_each_of_its_names() {
        let fault = |code| ServerFault::Refused { code, name: String::new() };
        // Reserving, writing, opening, and what the file system says by itself.
        for code in [243, 75, 76, 1001] {
            assert!(fault(code).is_retryable() && !fault(code).is_before_write(), "{code}");
        }
        assert!(!fault(60).is_retryable(), "a table that is not there");
    }

    #[test]
    fn keeps_number_and_name_and_no_other_word() {
        check(
            "Code: 27. DB::Exception: Cannot parse '/secret(x)': (at row 1)\n: \
             While executing (CANNOT_PARSE) (version 25.8.1.1 (official build))",
            27,
            "CANNOT_PARSE",
        );
        check("Code: 60. DB::Exception: no table. (UNKNOWN_TABLE)", 60, "UNKNOWN_TABLE");
        check("502 Bad Gateway", 0, "");
    }
}
