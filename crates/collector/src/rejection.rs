//! Why a request is no hit at all, and the one line that says so.
//!
//! What it is not: a refusal. A refused hit is well formed and gets the answer of a counted one; a
//! rejected request gets a 4xx, or a 503 when nothing can be written.
//!
//! What surprises: the line is the same for everybody. Nothing of the request is in it.

use hyper::StatusCode;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// The body is not the JSON of a beacon.
    NotJson,
    /// Not what Plausible's trackers send.
    NotPlausible,
    /// Not what Umami's trackers send.
    NotUmami,
    /// Not what Matomo's trackers send.
    NotMatomo,
    /// A tracker's sign of life: answered like a hit, and none.
    Ping,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body of another tool's tracker is over the limit.
    CompatTooLarge,
    /// The body of Matomo's tracker is over its limits.
    MatomoTooLarge,
    /// The request line is over the limit.
    UriTooLong,
    /// The site is not one of ours.
    UnknownSite,
    /// No `p` and no `Referer`.
    NoPage,
    /// A version of the tracker that this build does not have.
    UnknownTracker,
    /// A method that this path does not know.
    Method,
    /// A request as one sends it to a proxy.
    AbsoluteForm,
    /// The body did not arrive.
    Incomplete,
    /// Nothing can be written down now.
    NotDurable,
}

impl Rejection {
    pub(crate) const ALL: [Self; 16] = [
        Self::NotJson,
        Self::NotPlausible,
        Self::NotUmami,
        Self::NotMatomo,
        Self::Ping,
        Self::BodyTooLarge,
        Self::CompatTooLarge,
        Self::MatomoTooLarge,
        Self::UriTooLong,
        Self::UnknownSite,
        Self::NoPage,
        Self::UnknownTracker,
        Self::Method,
        Self::AbsoluteForm,
        Self::Incomplete,
        Self::NotDurable,
    ];

    /// The word in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotPlausible => "not_plausible",
            Self::NotUmami => "not_umami",
            Self::NotMatomo => "not_matomo",
            Self::Ping => "ping",
            Self::BodyTooLarge => "body_too_large",
            Self::CompatTooLarge => "compat_too_large",
            Self::MatomoTooLarge => "matomo_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::UnknownSite => "unknown_site",
            Self::NoPage => "no_page",
            Self::UnknownTracker => "unknown_tracker",
            Self::Method => "method",
            Self::AbsoluteForm => "absolute_form",
            Self::Incomplete => "incomplete",
            Self::NotDurable => "not_durable",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NotJson
            | Self::NotPlausible
            | Self::NotUmami
            | Self::NotMatomo
            | Self::NoPage
            | Self::AbsoluteForm
            | Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Ping => StatusCode::OK,
            Self::BodyTooLarge | Self::CompatTooLarge | Self::MatomoTooLarge => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnknownSite | Self::UnknownTracker => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotDurable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) const fn line(self) -> &'static str {
        match self {
            Self::NotJson => {
                "the body is not a beacon; send JSON such as {\"s\":\"example.org\",\"p\":\"/page\"}\n"
            }
            Self::NotPlausible => {
                "the body is not a Plausible event; send JSON with \"n\", \"u\" and \"d\"\n"
            }
            Self::NotUmami => {
                "the body is not an Umami event; send JSON with \"type\" and \"payload\"\n"
            }
            Self::NotMatomo => {
                "not a Matomo request; send rec=1, idsite and url, or JSON with \"requests\" of such\n"
            }
            Self::Ping => "",
            Self::BodyTooLarge => "the body is over 4096 bytes\n",
            Self::CompatTooLarge => "the body is over 32768 bytes\n",
            Self::MatomoTooLarge => "the body is over 131072 bytes, or holds over 100 requests\n",
            Self::UriTooLong => "the request line is over 4096 bytes\n",
            Self::UnknownSite => "no such site here; add it with: headcount site add HOST\n",
            Self::NoPage => "no page; send it as \"p\"\n",
            Self::UnknownTracker => {
                "no such version of the tracker here; take the lines for the page anew, or use /headcount.js\n"
            }
            Self::Method => "use GET for /p.gif, POST for /hit, /api/event and /api/send\n",
            Self::AbsoluteForm => "this is not a proxy; send the path alone\n",
            Self::Incomplete => "the body did not arrive whole\n",
            Self::NotDurable => "nothing can be written down now; try again later\n",
        }
    }

    /// Whether the connection ends with the answer: what follows may not be where it seems.
    pub(crate) const fn closes(self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge
                | Self::CompatTooLarge
                | Self::MatomoTooLarge
                | Self::UriTooLong
                | Self::AbsoluteForm
                | Self::Incomplete
        )
    }
}
