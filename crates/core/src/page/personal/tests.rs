//! The rules for personal numbers, by example.
//!
//! What it is not: about places; see `span`.
//!
//! What surprises: several numbers are personal by two rules at once.

use proptest::prelude::*;

use super::*;

fn check(text: &str, personal: bool) {
    assert_eq!(is_personal(text.as_bytes()), personal, "{text}");
}

#[test]
fn s5_digits_in_a_row() {
    for text in ["1234567890", "x1234567890x", "19770228", "19000101-x", "12345678901234"] {
        check(text, true);
    }
    for text in ["123456789", "20250309", "19770230", "18991231", "20991231", "123456-x-7"] {
        check(text, false);
    }
}

#[test]
fn s6_led_numbers() {
    for text in [
        "+4687654321",
        "+46 8 765 43 21",
        "+(46)8765432",
        "(+46)8765432",
        "+46 (0)8-765 43",
        "031-765 43 21",
        "(031) 765 43 21",
        "031.76.54.3",
        "x031-7654",
        "0046 8 765 43",
        "2025-03-09-031-7654",
        "v0.10.20241",
    ] {
        check(text, true);
    }
    for text in [
        "031-765",
        "0317654",
        "1-031-76-5",
        "031--765--x",
        "031---7654",
        "+123456",
        "031/7654",
        "08 - 765 432",
        "09.03.2025",
        "2025-03-09 10.30",
        "5+1234567",
        "5-+1234567",
        "1.031.7654",
        "08-12-12-1950",
    ] {
        check(text, false);
    }
}

#[test]
fn s6_grouped_numbers() {
    for text in [
        "770228-0123",
        "4000-0566-5566-5556",
        "123-45-6789",
        "1914-1918-1939-0999",
        "1914-2101-1",
        "978-91-7000-150-1",
        "12 34 56 78",
        "x 12 34 56 78 y",
        "7.12 34 56 78",
        "12 (34) 56-78-9",
        "2025-3-9-10-30-45-12-3",
    ] {
        check(text, true);
    }
    for text in [
        "1914-1918",
        "1914-1918-1939-1945",
        "1000-2100-1500",
        "12-34-56-78",
        "12 34 56",
        "12 34 56 7",
        "123.456.789",
        "1234-5678",
        "2025-03-09-10-30-00",
        "20250309-1430",
        "20050228-0123",
        "2025-03-09-2025-03-12",
        "12  34 56 78",
        "3-4-5",
    ] {
        check(text, false);
    }
}

#[test]
fn s6_and_s5_pass_over_cve_numbers() {
    for text in
        ["cve-2014-0160", "CVE-2021-44228", "cve-2021-1234567890", "cve-2014-0160-cve-2021-44228"]
    {
        check(text, false);
    }
    for text in ["cve-2021-123-456", "cve-2014-0160-770228-0123", "cve-20211-44228"] {
        check(text, true);
    }
}

#[test]
fn s8_coordinates() {
    for text in [
        "57.70887,11.97456",
        "-33.868,151.209",
        "57.708,-11.974",
        "lat57.708,11.974x",
        "1.57.708,11.974",
    ] {
        check(text, true);
    }
    for text in [
        "57.70,11.974",
        "57.708, 11.974",
        "57.708,11.97",
        "5757.708,11.974",
        "57.708,1111.974",
        "57.708;11.974",
        "57,708,11.974",
    ] {
        check(text, false);
    }
}

#[test]
fn s9_national_numbers() {
    for text in [
        "131052-308T",
        "131052+308t",
        "131052a308t",
        "131052A3081",
        "x-131052a308t-y",
        "ab123456c",
        "AB123456D",
        "x_ab123456c",
    ] {
        check(text, true);
    }
    for text in [
        "131052a308",
        "131052a308tt",
        "x131052a308t",
        "131052b308t",
        "131052_308t",
        "31052-308T",
        "ad123456c",
        "qb123456c",
        "ab123456e",
        "ab123456cx",
        "ab12345c",
    ] {
        check(text, false);
    }
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(text in "[0-9+ .,()a-f_:-]{0,60}") {
        is_personal(text.as_bytes());
    }
}
