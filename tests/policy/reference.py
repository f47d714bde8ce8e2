#!/usr/bin/env python3
"""A second reading of the text policy, to compare builds row by row.

What this is: the policy for pages, click targets, campaigns, events, sources and client
addresses, written again from its text alone, slowly and literally. A build and this file are fed
the same rows; where they differ, one of the two has misread a rule.

What this is not: fast, or part of the product. It shares no code with it, on purpose.

What may surprise: without ``--psl FILE`` the registrable domain is simply the last two labels.
With it, the ICANN section of that public suffix list is used. Characters newer than the Unicode
tables of the running Python are unknown here.

    reference.py --site HOST [--event NAME]... [--psl FILE] KIND < values
    reference.py --self-test DIR [--psl FILE]

KIND is page, click, utm, event, source, ip or client. One cleaned value per line; input lines end
at a line feed and nothing else. The self-test reads DIR/example_urls.tsv and
DIR/example_values.tsv.
"""

import argparse
import base64
import datetime
import ipaddress
import re
import sys
import unicodedata
from pathlib import Path

ID = ":id"
INVALID = "/:invalid"
PAGE_BYTES_MAX = 2048
SEGMENT_CHARS_MAX = 120
SEGMENTS_MAX = 10
DECODE_ROUNDS_MAX = 3

IGNORE_CASE = re.IGNORECASE | re.ASCII  # of ASCII letters only

STRONG = frozenset("""
accept activate activation anvandare användare aterstall avregistrera bekrafta bekräfta buscar
confirm confirmation dob elev elever employee employees impersonate inbjudan inbjudningar
invitation invitations invite invites magic-link medlem medlemmar member members opt-out optout
password-reset patient patienter patients personnummer pnr profil profile profiler profiles q query
recherche reset reset-password search sid sok ssn student students suche sök token u uid
unsubscribe user user-id userid username users usr verify verify-email zoek återställ
""".split())

WEAK = frozenset("""
account accounts arende arenden basket baskets bestallning bestallningar beställning beställningar
bokning bokningar booking bookings cart carts checkout checkouts client clients customer customers
faktura fakturor id ids invoice invoices konto konton kund kunder kvitto kvitton message messages
order orders ordrar payment payments receipt receipts ref reservation reservations subscription
subscriptions ticket tickets ärende ärenden
""".split())

STATIC = frozenset("""
about accept add advanced all alla area billing complete create done edit email error expired
failed faq guide help hjalp hjälp home index installningar inställningar klart list log-in log-out
logga-in logga-ut login logout losenord lösenord me new notifications ny nytt om overview page
password preferences privacy redigera register registrera resend search security sent settings sida
sign-in sign-up signin signup skapa sok success sök tack terms thank-you thanks villkor
""".split())

# --- Pages, A: canonical form --------------------------------------------------------------------

SLASH = r"[/\\]"
ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
ESCAPE_TEXT = re.compile(r"%[0-9A-Fa-f]{2}")
C0_AND_SPACE = "".join(chr(code) for code in range(0x21))


def to_bytes(text):
    """UTF-8; bytes that were not UTF-8 on the way in come back as they were."""
    return text.encode("utf-8", "surrogateescape")


def without_line_characters(text):
    return text.replace("\t", "").replace("\r", "").replace("\n", "")


def path_of(text):
    """Step 2: the path of a page text, or None where the text is no page."""
    with_authority = re.match(rf"(?:https?:)?{SLASH}{SLASH}", text, IGNORE_CASE)
    if with_authority:
        rest = re.sub(r"\A[^/\\?#]*", "", text[with_authority.end():])
    elif re.match(r"[/\\?#]", text):
        rest = text
    else:
        return None
    return re.split(r"[?#]", rest, maxsplit=1)[0]


def resolved_segments(path):
    """Step 3. An empty segment is a segment until the dots are resolved, as in the URL standard."""
    segments = []
    for segment in re.split(SLASH, path)[1:]:
        dots = re.sub("%2e", ".", segment, flags=IGNORE_CASE)
        if dots == ".":
            continue
        if dots == "..":
            if segments:
                segments.pop()
            continue
        segments.append(segment)
    return [segment for segment in segments if segment]


def decoded(text, plus_is_space=False):
    """Percent-decodes in at most three rounds; None where a round yields no UTF-8."""
    for _ in range(DECODE_ROUNDS_MAX):
        before = text
        if plus_is_space:
            text = text.replace("+", " ")
        raw = ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), to_bytes(text))
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if text == before:
            break
    return text


def clean_text(segment):
    """Step 4, a to d: the clean text, or None where it has none (4a, 4c)."""
    text = decoded(segment)
    if text is None:
        return None
    text = unicodedata.normalize("NFKC", text)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = "".join(
        str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in text
    )
    if ESCAPE_TEXT.search(text) or "/" in text or "\\" in text:
        return None
    if any(unicodedata.category(c) == "Cc" for c in text):
        return None
    return re.split(r"[;?#]", text, maxsplit=1)[0].strip(" ")


# --- Pages, B: whole-segment rules ---------------------------------------------------------------

EXTENSION = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{0,4}\Z", re.DOTALL)
RUN = re.compile(r"[A-Za-z0-9]+")

SCHEMES = ("mailto tel sms callto whatsapp skype sip sips http https ftp data javascript urn "
           "did").split()
KEY_PREFIXES = ("ghp_ gho_ ghs_ github_pat_ glpat- xoxa- xoxb- xoxp- sk_live_ sk_test_ rk_live_ "
                "rk_test_ pk_live_ pk_test_ cs_live_ cs_test_ whsec_ AKIA ASIA AIza ya29. "
                "SG.").split()

LABELS = [word for word in sorted(STRONG | WEAK) if sum(c.isalpha() for c in word) >= 4]
LABELLED_NUMBER = re.compile(
    r"(?:%s)[-_.:#]?(?:id|nr|no)?[-_.:#]?[0-9]+|(?:id|uid|ref)[-_.:#][0-9]+"
    % "|".join(re.escape(word) for word in LABELS)
)


def without_extension(text):
    return EXTENSION.sub("", text)


def is_mixed(run):
    return bool(re.search("[0-9]", run)) and bool(re.search("[A-Za-z]", run))


def changes(run):
    return sum(a.isdigit() != b.isdigit() for a, b in zip(run, run[1:]))


def w1(clean, f):
    return any(mark in f for mark in ("@", "(at)", "[at]", "{at}")) or f.startswith("~")


def w2(clean, f):
    return "=" in f


def w3(clean, f):
    return any(f.startswith(scheme + ":") for scheme in SCHEMES)


def w4(clean, f):
    if re.search(r"eyJ[A-Za-z0-9_-]{8}", clean):
        return True
    return any(clean.startswith(p) and len(clean) - len(p) >= 10 for p in KEY_PREFIXES)


def w5(context, f):
    return context in STRONG and f not in STATIC and without_extension(f) not in STATIC


def w6(context, f):
    return context in WEAK and bool(re.search("[0-9]", without_extension(f)))


def w7(clean, f):
    return bool(LABELLED_NUMBER.fullmatch(without_extension(f)))


def w8(clean, f):
    if not re.fullmatch(r"[A-Za-z0-9+_-]{12,}", clean) or len(clean) % 4 == 1:
        return False
    if "+" in clean and re.search("[_-]", clean):
        return False  # neither the standard nor the url alphabet
    padded = clean.replace("-", "+").replace("_", "/") + "=" * (-len(clean) % 4)
    content = base64.b64decode(padded)
    return len(content) >= 9 and all(0x20 <= byte <= 0x7E for byte in content)


def w9(clean, f):
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,}", clean):
        return False
    runs = RUN.findall(clean)
    mixed = [run for run in runs if is_mixed(run)]
    share_is_60_percent = 100 * sum(map(len, mixed)) >= 60 * sum(map(len, runs))
    return share_is_60_percent and any(re.search("[a-z][A-Z]", run) for run in mixed)


RULES_WITHOUT_CONTEXT = (w1, w2, w3, w4, w7, w8, w9)


def whole_rule_hits(clean):
    """Any of W1 to W9 that needs no context."""
    return any(rule(clean, clean.lower()) for rule in RULES_WITHOUT_CONTEXT)


def context_rule_hits(clean, context):
    return w5(context, clean.lower()) or w6(context, clean.lower())


# --- Pages, C: span rules ------------------------------------------------------------------------
#
# Each rule yields (start, end, kind). What is "taken out" is overwritten with NUL, one for each
# character, so that positions stay and nothing joins across the gap. Clean text holds no NUL.

HEX = "[0-9A-Fa-f]"
UUID = re.compile(f"{HEX}{{8}}-(?:{HEX}{{4}}-){{3}}{HEX}{{12}}")
CVE = re.compile(r"cve-[0-9]{4}-[0-9]{4,}", IGNORE_CASE)
IPV4 = re.compile(
    r"(?<![A-Za-z0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9]|\.[0-9])")
MAC = re.compile(
    f"(?<![A-Za-z0-9]){HEX}{{2}}(?:[-:]{HEX}{{2}}){{5}}(?![A-Za-z0-9])")
COORDINATES = re.compile(
    r"(?<![0-9])[0-9]{1,3}\.[0-9]{3,},[-+]?[0-9]{1,3}\.[0-9]{3,}")
FINNISH = re.compile(
    r"(?<![A-Za-z0-9])[0-9]{6}[-+a][0-9]{3}[A-Za-z0-9](?![A-Za-z0-9])", IGNORE_CASE)
BRITISH = re.compile(
    r"(?<![A-Za-z0-9])[abceghj-prstw-z]{2}[0-9]{6}[a-d](?![A-Za-z0-9])", IGNORE_CASE)


def taken_out(text, start, end):
    return text[:start] + "\0" * (end - start) + text[end:]


def is_date(year, month, day, first_year, last_year):
    if not first_year <= int(year) <= last_year:
        return False
    try:
        datetime.date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def is_compact_date(digits, first_year, last_year):
    return len(digits) == 8 and is_date(
        digits[:4], digits[4:6], digits[6:], first_year, last_year)


def s2_to_s4(text):
    for found in RUN.finditer(text):
        run = found[0]
        length = len(run)
        if is_mixed(run):
            is_hex = bool(re.fullmatch(f"{HEX}+", run))
            if (is_hex and length >= 12) or length >= 20 \
                    or (length >= 16 and changes(run) >= 3) \
                    or (length >= 10 and changes(run) >= 4):
                yield found.start(), found.end(), "C"
        elif run.isalpha() and length >= 40:
            yield found.start(), found.end(), "C"


def s5(text):
    for found in re.finditer("[0-9]{7,}", text):
        digits = found[0]
        if is_compact_date(digits, 2000, 2099):
            continue
        personal = len(digits) >= 10 or is_compact_date(digits, 1900, 1999)
        yield found.start(), found.end(), "P" if personal else "C"


DATE_SHAPES = (
    re.compile(r"(?P<y>[0-9]{4})([-._ ])(?P<m>[0-9]{1,2})\2(?P<d>[0-9]{1,2})(?![0-9])"),
    re.compile(r"(?P<d>[0-9]{1,2})([-._ ])(?P<m>[0-9]{1,2})\2(?P<y>[0-9]{4})(?![0-9])"),
    re.compile(r"(?P<m>[0-9]{1,2})([-._ ])(?P<d>[0-9]{1,2})\2(?P<y>[0-9]{4})(?![0-9])"),
)


def without_dates(text):
    """What S6 sees: valid dates taken out, from left to right."""
    position = 0
    while sequence := re.compile("[0-9]+").search(text, position):
        position = sequence.end()
        end = None
        if is_compact_date(sequence[0], 2000, 2099):
            end = sequence.end()
        for shape in DATE_SHAPES:
            date = shape.match(text, sequence.start())
            if date and is_date(date["y"], date["m"], date["d"], 1900, 2099):
                end = date.end()
                break
        if end is not None:
            text = taken_out(text, sequence.start(), end)
            position = end
    return text


CHAIN_A = re.compile(r"[0-9]+(?:[ \-.()]{1,2}[0-9]+)*")
CHAIN_B = re.compile(r"[0-9]+(?:[ \-()]{1,2}[0-9]+)+")
CHAIN_C = re.compile(r"[0-9]+(?: [0-9]+)*")
DIGIT_BEFORE = re.compile(r"[0-9][ \-.()]{0,2}\Z")


def s6a(text):
    for first in re.finditer("(?<![0-9])[0-9]+", text):
        start = first.start()
        after_plus = text[:start].endswith("+") and not DIGIT_BEFORE.search(text[:start - 1])
        from_zero = text[start] == "0" and not DIGIT_BEFORE.search(text[:start])
        if not (after_plus or from_zero):
            continue
        chain = CHAIN_A.match(text, start)
        sequences = re.findall("[0-9]+", chain[0])
        if len(sequences) == 1 and not after_plus:
            continue
        if sum(map(len, sequences)) >= 7:
            yield start, chain.end(), "P"


def s6b(text):
    for chain in CHAIN_B.finditer(text):
        sequences = re.findall("[0-9]+", chain[0])
        all_years = all(len(s) == 4 and 1000 <= int(s) <= 2100 for s in sequences)
        if sum(map(len, sequences)) >= 9 and not all_years:
            yield chain.start(), chain.end(), "P"


def s6c(text):
    for chain in CHAIN_C.finditer(text):
        if re.fullmatch("[0-9]{2}(?: [0-9]{2}){3}", chain[0]):
            yield chain.start(), chain.end(), "P"


def s7(text):
    for found in IPV4.finditer(text):
        if all(int(part) <= 255 for part in found[0].split(".")):
            yield found.start(), found.end(), "P"
    for found in re.finditer("[A-Za-z0-9:]+", text):
        token = found[0]
        if "::" in token or token.count(":") == 7:
            try:
                ipaddress.IPv6Address(token)
            except ValueError:
                continue
            yield found.start(), found.end(), "P"
    for found in MAC.finditer(text):
        yield found.start(), found.end(), "P"


def s8_and_s9(text):
    for rule in (COORDINATES, FINNISH, BRITISH):
        for found in rule.finditer(text):
            yield found.start(), found.end(), "P"


def spans(text):
    """Every span of a text without extension, before growing and merging."""
    found = []
    for uuid in UUID.finditer(text):
        found.append((uuid.start(), uuid.end(), "C"))
    for start, end, _ in list(found):
        text = taken_out(text, start, end)
    found += s2_to_s4(text)
    found += s7(text)
    found += s8_and_s9(text)
    for cve in list(CVE.finditer(text)):
        text = taken_out(text, cve.start(), cve.end())
    found += s5(text)
    text = without_dates(text)
    found += s6a(text)
    found += s6b(text)
    found += s6c(text)
    return found


def merged(text, found):
    """Spans grown to whole runs; those that touch become one, and P wins."""
    runs = [(run.start(), run.end()) for run in RUN.finditer(text)]
    grown = []
    for start, end, kind in found:
        for run_start, run_end in runs:
            if run_start < end and start < run_end:
                start, end = min(start, run_start), max(end, run_end)
        grown.append((start, end, kind))
    result = []
    for start, end, kind in sorted(grown):
        if result and start <= result[-1][1]:
            before_start, before_end, before_kind = result[-1]
            kind = "P" if "P" in (kind, before_kind) else "C"
            result[-1] = (before_start, max(end, before_end), kind)
        else:
            result.append((start, end, kind))
    return result


def words(text):
    """Maximal sequences of Unicode letters and digits: how many have two or more, all letters."""
    def is_letter(c):
        return unicodedata.category(c).startswith("L")

    count = 0
    sequence = ""
    for c in text + " ":
        if is_letter(c) or unicodedata.category(c) == "Nd":
            sequence += c
            continue
        if len(sequence) >= 2 and all(map(is_letter, sequence)):
            count += 1
        sequence = ""
    return count


def after_span_rules(clean):
    """The segment as text that may leave: kept, cut, or the placeholder alone."""
    text = without_extension(clean)
    extension = clean[len(text):]
    found = merged(text, spans(text))
    if not found:
        return encoded(clean)
    outside = []
    position = 0
    for start, end, _ in found:
        outside.append(text[position:start])
        position = end
    outside.append(text[position:])
    if any(kind == "P" for _, _, kind in found) or sum(map(words, outside)) < 3:
        return ID
    return ID.join(encoded(piece) for piece in outside) + encoded(extension)


# --- Pages, D: output ----------------------------------------------------------------------------


def encoded(text):
    return "".join(f"%{ord(c):02X}" if c in ' %"<>^`{|}' else c for c in text)


def page(text):
    text = without_line_characters(text).strip(C0_AND_SPACE)
    if not text or len(to_bytes(text)) > PAGE_BYTES_MAX:
        return INVALID
    path = path_of(text)
    if path is None:
        return INVALID
    output = []
    context = None
    for segment in resolved_segments(path):
        clean = clean_text(segment)
        if clean is None:
            output.append(ID)
            context = None
            continue
        if not clean:
            continue
        if len(clean) > SEGMENT_CHARS_MAX or whole_rule_hits(clean) \
                or context_rule_hits(clean, context):
            output.append(ID)
        else:
            output.append(after_span_rules(clean))
        context = clean.lower()
    if len(output) > SEGMENTS_MAX:
        output = output[:SEGMENTS_MAX] + [ID]
    return "/" + "/".join(output)


# --- Sources and click targets -------------------------------------------------------------------

PRIVATE_ENDINGS = tuple(".local .localhost .internal .lan .home .corp .intranet .test "
                        ".home.arpa".split())
HTTP_AUTHORITY = re.compile(rf"https?:{SLASH}{SLASH}([^/\\?#]*)", IGNORE_CASE)
HOST_IGNORED = "\u00ad\u200b\u2060\ufeff"  # characters that a host name loses
WHITE_SPACE = ("\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
               "\u2009\u200a\u2028\u2029\u202f\u205f\u3000")


def punycode(host):
    """Lower-cased, ASCII. Mapping as for host names: NFKC, ideographic stops are dots."""
    host = "".join(c for c in host if c not in HOST_IGNORED)
    host = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", host).lower())
    labels = host.replace("\u3002", ".").split(".")
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
        for label in labels
    )


def host_of(authority):
    """Userinfo, port and trailing dot dropped; lower-case; punycode."""
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    host = host.partition(":")[0]
    host = punycode(host)
    return host[:-1] if host.endswith(".") else host


def is_address_literal(host):
    """Bracketed, or ending in a number: then the URL standard takes the host as an address."""
    return host.startswith("[") or bool(
        re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]))


class PublicSuffixes:
    """The ICANN section of a public suffix list; without a list, one label is the suffix."""

    def __init__(self, path=None):
        self.rules = set()
        if path is None:
            return
        in_icann_section = False
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if "===BEGIN ICANN DOMAINS===" in line:
                in_icann_section = True
            elif "===END ICANN DOMAINS===" in line:
                in_icann_section = False
            rule = line.split("//")[0].split()
            if in_icann_section and rule:
                self.rules.add(punycode(rule[0]))

    def registrable(self, host):
        """Suffix and one label more; None where the host is itself a suffix."""
        labels = host.split(".")
        suffix_labels = 1
        for start in range(len(labels)):
            tail = labels[start:]
            if "!" + ".".join(tail) in self.rules:
                suffix_labels = len(tail) - 1
                break
            if ".".join(tail) in self.rules or ".".join(["*"] + tail[1:]) in self.rules:
                suffix_labels = len(tail)
                break
        if len(labels) <= suffix_labels:
            return None
        return ".".join(labels[-suffix_labels - 1:])


def is_random(label):
    for run in RUN.findall(label):
        if not is_mixed(run):
            continue
        if len(run) >= 12 and re.fullmatch(f"{HEX}+", run):
            return True
        if len(run) >= 16 and changes(run) >= 3:
            return True
    return False


class Site:
    """The host a value belongs to, and what it declared."""

    def __init__(self, host, events, suffixes):
        self.host = host_of(host)
        self.events = frozenset(events)
        self.suffixes = suffixes
        self.domain = suffixes.registrable(self.host)

    def owns(self, host):
        if host == self.host:
            return True
        return self.domain is not None and self.suffixes.registrable(host) == self.domain

    def source_of_host(self, host):
        if is_address_literal(host):
            return "(ip)"
        if not re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", host):
            return "(other)"
        if "." not in host or host.endswith(PRIVATE_ENDINGS):
            return "(private)"
        domain = self.suffixes.registrable(host)
        if domain is None or is_random(domain.split(".")[0]):
            return "(other)"
        return "(internal)" if domain == self.domain else domain

    def source(self, text):
        if not text:
            return "(direct)"
        if re.match("(?:android|ios)-app:", text, IGNORE_CASE):
            return "(app)"
        http = HTTP_AUTHORITY.match(text)
        return self.source_of_host(host_of(http[1])) if http else "(other)"

    def click(self, text):
        text = without_line_characters(text)
        word = re.match("(mailto|tel|sms):", text, IGNORE_CASE)
        if word:
            return word[1].lower()
        if text.startswith("#"):
            return "(in-page)"
        if re.match(f"{SLASH}(?!{SLASH})", text):
            return page(text)
        if re.match(f"{SLASH}{SLASH}", text):
            text = "http:" + text
        if not re.match("https?:", text, IGNORE_CASE):
            return "(other)"
        http = HTTP_AUTHORITY.match(text)
        if http and self.owns(host_of(http[1])):
            return page(text)
        source = self.source(text)
        return source if source in ("(ip)", "(private)") else "ext:" + source

    def event(self, text):
        declared = re.fullmatch(r"[a-z][a-z0-9_.:-]{0,39}", text) and text in self.events
        return text if declared else "(other)"


# --- Campaigns -----------------------------------------------------------------------------------


def utm(text):
    key, _, value = text.partition("=")
    if key not in ("utm_source", "utm_medium", "utm_campaign"):
        return "(dropped)"
    value = decoded(value, plus_is_space=True)
    if value is None:
        return "(redacted)"
    value = unicodedata.normalize("NFKC", value).strip(WHITE_SPACE)
    if not value:
        return "(none)"
    if whole_rule_hits(value) or spans(without_extension(value)):
        return "(redacted)"
    value = value.lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9 _.-]{0,39}", value) or not re.search("[a-z]", value):
        return "(redacted)"
    return value


# --- Client addresses ----------------------------------------------------------------------------

SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def unwrapped(address):
    if address.version == 4:
        return address
    number = int(address)
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in SIX_TO_FOUR:
        return ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in NAT64:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return address


def address_of(text):
    """Quotes, brackets, port and zone id dropped, then unwrapped; None where it is no address."""
    text = text.strip(" \t")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](?::[0-9]{1,5})?", text)
    with_port = re.fullmatch(r"([0-9.]+):[0-9]{1,5}", text)
    if bracketed:
        text = bracketed[1]
    elif with_port:
        text = with_port[1]
    if ":" in text:
        text = text.partition("%")[0]
    try:
        return unwrapped(ipaddress.ip_address(text))
    except ValueError:
        return None


def truncated(address):
    if address is None:
        return "(none)"
    prefix = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, prefix), strict=False))


def ip(text):
    return truncated(address_of(text))


def split_unquoted(text, mark):
    """Splits at a mark that stands outside double quotes."""
    pieces = [""]
    quoted = False
    for c in text:
        if c == '"':
            quoted = not quoted
        if c == mark and not quoted:
            pieces.append("")
        else:
            pieces[-1] += c
    return pieces


def forwarded_for(header):
    """The `for` of each element; empty where an element has none."""
    entries = []
    for element in split_unquoted(header, ","):
        entry = ""
        for pair in split_unquoted(element, ";"):
            name, _, value = pair.partition("=")
            if name.strip(" \t").lower() == "for":
                entry = value
        entries.append(entry)
    return entries


def client(text):
    """`peer=A | trusted=NET[,NET] | xff=LIST` or `... | forwarded=LIST`."""
    fields = {}
    for field in text.split("|"):
        name, _, value = field.partition("=")
        fields[name.strip(" \t")] = value.strip(" \t")
    trusted = [ipaddress.ip_network(network, strict=False)
               for network in re.split("[, ]+", fields.get("trusted", "")) if network]

    def is_trusted(address):
        return any(address in network for network in trusted)

    peer = address_of(fields.get("peer", ""))
    if peer is None or not is_trusted(peer):
        return truncated(peer)
    if "xff" in fields:
        entries = fields["xff"].split(",")
    else:
        entries = forwarded_for(fields.get("forwarded", ""))
    for entry in reversed(entries):
        address = address_of(entry)
        if address is None or not is_trusted(address):
            return truncated(address)
    return "(none)"


# --- Command line --------------------------------------------------------------------------------


def cleaners(site):
    return {"page": page, "click": site.click, "utm": utm, "event": site.event,
            "source": site.source, "ip": ip, "client": client}


def lines_of(raw):
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def self_test(directory, suffixes):
    site = Site("www.example.com", ["download_pdf"], suffixes)
    rows = []
    for line in lines_of((directory / "example_urls.tsv").read_bytes())[1:]:
        rows.append(["page"] + line.split("\t")[:2])
    for line in lines_of((directory / "example_values.tsv").read_bytes())[1:]:
        rows.append(line.split("\t")[:3])
    failed = 0
    for kind, value, expected in rows:
        got = cleaners(site)[kind](value)
        if got != expected:
            failed += 1
            print(f"{kind}\t{value}\texpected {expected}\tgot {got}")
    print(f"{len(rows) - failed} of {len(rows)} rows as expected")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description="A second reading of the text policy.")
    parser.add_argument("--site", metavar="HOST")
    parser.add_argument("--event", metavar="NAME", action="append", default=[])
    parser.add_argument("--psl", metavar="FILE")
    parser.add_argument("--self-test", metavar="DIR", type=Path)
    parser.add_argument("kind", metavar="KIND", nargs="?",
                        choices="page click utm event source ip client".split())
    args = parser.parse_args()
    suffixes = PublicSuffixes(args.psl)
    if args.self_test:
        return self_test(args.self_test, suffixes)
    if not args.site or not args.kind:
        parser.error("--site HOST and KIND are required")
    clean = cleaners(Site(args.site, args.event, suffixes))[args.kind]
    for line in lines_of(sys.stdin.buffer.read()):
        sys.stdout.buffer.write(clean(line).encode("utf-8", "surrogateescape") + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
