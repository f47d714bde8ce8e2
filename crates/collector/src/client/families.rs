//! The closed lists: what a client may be called once its agent string is forgotten.
//!
//! What it is not: a parser. It maps the names that uap-core gives to the few that are counted.
//!
//! What surprises: a rule of uap-core that cannot end in one of these names is never compiled, so
//! these tables also decide how much memory the parser takes.

/// The name of everything that is on no list.
pub const OTHER: &str = "other";

/// Shown inside an app: a web view says which engine draws the page, not which browser was chosen.
const IN_APP: &str = "In-app";

/// The form factor of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    /// A computer with a keyboard.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet; an iPad that asks for desktop pages cannot be told from a Mac.
    Tablet,
    /// A television, console, headset, car, or nothing that is known.
    Other,
}

impl Device {
    /// Every device class.
    pub const ALL: [Self; 4] = [Self::Desktop, Self::Mobile, Self::Tablet, Self::Other];

    /// The word used in tables, the API and the dashboard.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Other => OTHER,
        }
    }
}

/// uap-core's browser families, and what is counted for each.
const BROWSERS: [(&str, &str); 69] = [
    ("Amazon Silk", "Amazon Silk"),
    ("Android", "Android Browser"),
    ("Baidu Browser", "Baidu Browser"),
    ("Baidu Explorer", "Baidu Browser"),
    ("Brave", "Brave"),
    ("Chrome", "Chrome"),
    ("Chrome Mobile", "Chrome"),
    ("Chrome Mobile WebView", IN_APP),
    ("Chrome Mobile iOS", "Chrome"),
    ("Chromium", "Chrome"),
    ("Coc Coc", "Coc Coc"),
    ("DuckDuckGo Mobile", "DuckDuckGo"),
    ("Edge", "Edge"),
    ("Edge Mobile", "Edge"),
    ("Epiphany", "GNOME Web"),
    ("Facebook", IN_APP),
    ("Facebook Messenger", IN_APP),
    ("Firefox", "Firefox"),
    ("Firefox Alpha", "Firefox"),
    ("Firefox Beta", "Firefox"),
    ("Firefox Mobile", "Firefox"),
    ("Firefox iOS", "Firefox"),
    ("Flipboard", IN_APP),
    ("Google", "Google app"),
    ("HeadlessChrome", "Chrome"),
    ("IE", "Internet Explorer"),
    ("IE Large Screen", "Internet Explorer"),
    ("IE Mobile", "Internet Explorer"),
    ("Instagram", IN_APP),
    ("Iron", "Chrome"),
    ("Konqueror", "Konqueror"),
    ("LINE", IN_APP),
    ("Mail.ru Chromium Browser", "Chrome"),
    ("Maxthon", "Maxthon"),
    ("Mint Browser", "MIUI Browser"),
    ("MiuiBrowser", "MIUI Browser"),
    ("Mobile Safari", "Safari"),
    ("Mobile Safari UI/WKWebView", IN_APP),
    ("Oculus Browser", "Meta Quest Browser"),
    ("Opera", "Opera"),
    ("Opera Coast", "Opera"),
    ("Opera Mini", "Opera Mini"),
    ("Opera Mobile", "Opera"),
    ("Opera Neon", "Opera"),
    ("Opera Tablet", "Opera"),
    ("Pale Moon", "Pale Moon"),
    ("PaleMoon", "Pale Moon"),
    ("Pinterest", IN_APP),
    ("Puffin", "Puffin"),
    ("QQ Browser", "QQ Browser"),
    ("QQ Browser Mini", "QQ Browser"),
    ("QQ Browser Mobile", "QQ Browser"),
    ("QtCarBrowser", "Tesla"),
    ("Safari", "Safari"),
    ("Sailfish Browser", "Sailfish Browser"),
    ("Samsung Internet", "Samsung Internet"),
    ("SeaMonkey", "SeaMonkey"),
    ("Seznam prohlížeč", "Seznam"),
    ("Snapchat", IN_APP),
    ("Sogou Explorer", "Sogou Explorer"),
    ("Tizen Browser", "Tizen Browser"),
    ("Twitter", IN_APP),
    ("UC Browser", "UC Browser"),
    ("Vivaldi", "Vivaldi"),
    ("Waterfox", "Waterfox"),
    ("WebKit Nightly", "GNOME Web"),
    ("Whale", "Whale"),
    ("Yandex Browser", "Yandex Browser"),
    ("webOS Browser", "webOS Browser"),
];

/// uap-core's systems, and what is counted for each; whatever is missing here is `other`.
const SYSTEMS: [(&str, &str); 27] = [
    ("Android", "Android"),
    ("Arch Linux", "Linux"),
    ("CentOS", "Linux"),
    ("Chrome OS", "ChromeOS"),
    ("Debian", "Linux"),
    ("Fedora", "Linux"),
    ("Gentoo", "Linux"),
    ("Kindle", "Android"),
    ("Kubuntu", "Linux"),
    ("Linux", "Linux"),
    ("Linux Mint", "Linux"),
    ("Lubuntu", "Linux"),
    ("Mac OS", "macOS"),
    ("Mac OS X", "macOS"),
    ("Mageia", "Linux"),
    ("Mandriva", "Linux"),
    ("PCLinuxOS", "Linux"),
    ("Puppy", "Linux"),
    ("Red Hat", "Linux"),
    ("SUSE", "Linux"),
    ("Slackware", "Linux"),
    ("Sailfish", "Linux"),
    ("Ubuntu", "Linux"),
    ("Windows", "Windows"),
    ("iOS", "iOS"),
    ("iPadOS", "iOS"),
    ("openSUSE", "Linux"),
];

/// What uap-core's browser family is counted as; `None` if it is on no list.
pub(super) fn browser(family: &str) -> Option<&'static str> {
    BROWSERS.iter().find(|(from, _)| *from == family).map(|(_, to)| *to)
}

/// What uap-core's system is counted as; `None` if it is on no list.
pub(super) fn system(family: &str) -> Option<&'static str> {
    SYSTEMS.iter().find(|(from, _)| *from == family).map(|(_, to)| *to)
}

/// Whether a browser rule can end in a listed name: by its replacement, or by what it captures.
pub(super) fn is_wanted_browser(regex: &str, replacement: &str) -> bool {
    if replacement.is_empty() {
        BROWSERS.iter().any(|(from, _)| regex.contains(from))
    } else {
        browser(replacement).is_some()
    }
}

/// Whether a system rule can meet a browser: rules for apps' network libraries cannot.
pub(super) fn is_wanted_system(regex: &str) -> bool {
    !regex.contains("CFNetwork") && !regex.contains("ArcGIS")
}

/// Every browser name that can be counted.
pub fn browsers() -> impl Iterator<Item = &'static str> {
    BROWSERS.iter().map(|(_, to)| *to).chain([OTHER])
}

/// Every system name that can be counted.
pub fn systems() -> impl Iterator<Item = &'static str> {
    SYSTEMS.iter().map(|(_, to)| *to).chain([OTHER])
}
