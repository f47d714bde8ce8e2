//! Claims that no text of ours may make, whoever wrote it.
//!
//! What it is not: a lawyer. It knows phrases, not meanings.
//!
//! What surprises: the phrases are compared as words only, so that neither hyphens nor line breaks
//! hide one; and some are cut short, so that every ending is found.

/// The phrases, in lower case and without punctuation, where a word begins.
const CLAIMS: [&str; 36] = [
    "anonym",
    "pseudonymised and therefore",
    "no personal",
    "not personal data",
    "not collect personal",
    "inga personuppgifter",
    "inte några personuppgifter",
    "ingen personuppgift",
    "inte personuppgifter",
    "gdpr compliant",
    "gdpr compliance",
    "gdpr safe",
    "gdpr proof",
    "compliant with gdpr",
    "compliant with the gdpr",
    "complies with gdpr",
    "complies with the gdpr",
    "uppfyller gdpr",
    "följer gdpr",
    "gdpr säker",
    "enligt gdpr godkän",
    "no consent",
    "consent is not needed",
    "consent is not required",
    "consent is not necessary",
    "consent not required",
    "inget samtycke",
    "samtycke krävs inte",
    "samtycke behövs inte",
    "site you consent",
    "website you consent",
    "you consent to this",
    "you consent to our",
    "samtycker du",
    "unique visitors",
    "unika besökare",
];

/// The claim that a text makes, if it makes one.
pub(crate) fn found(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let plain = format!(" {}", words.join(" "));
    let begins_a_word = |at: usize| plain.get(..at).is_some_and(|text| text.ends_with(' '));
    let is_made = |claim: &&str| plain.match_indices(*claim).any(|(at, _)| begins_a_word(at));
    CLAIMS.into_iter().find(is_made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_however_it_is_written() {
        let bad = [
            concat!("Our statistics are ", "Anony", "mous!"),
            concat!("We keep ", "no personal", " data."),
            concat!("fully GDPR", "-compliant"),
            concat!("There is no", " consent needed"),
            "By using our site, you consent to this Privacy Policy.",
            "Genom att använda webbplatsen samtycker du till detta.",
            "Uppgifterna är helt anonymiserade",
            "Vi sparar inga\u{a0}personuppgifter",
            "Samtycke   krävs\ninte",
            "unique visitors this month",
        ];
        for text in bad {
            assert!(found(text).is_some(), "{text}");
        }
        for claim in CLAIMS {
            assert_eq!(found(&claim.to_uppercase()), Some(claim));
        }
    }

    #[test]
    fn leaves_the_rest_alone() {
        for text in [
            "Article 6(1)(f) of the GDPR: our legitimate interest in knowing how our site is used",
            "Samtycke enligt artikel 6.1 a",
            "Consent, where the law asks for it: we count only if you consent",
            "Besökare räknas",
            "",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
