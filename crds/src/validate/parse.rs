//! The forms of single fields.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use super::{Invalid, WebAddress};
use crate::text::{
    Degrees, GoDuration, HostName, IpText, Label, PercentText, SocketText, StatusRange, WebUrl, ZoneApex,
};

type Result<T> = std::result::Result<T, Invalid>;

fn form(field: &str, found: &str, remedy: &'static str) -> Invalid {
    Invalid::Form { field: field.to_owned(), found: found.to_owned(), remedy }
}

fn is_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!(bytes.len(), 1..=63)
        && bytes.iter().all(|c| inner(*c) || *c == b'-')
        && bytes.first().is_some_and(|c| inner(*c))
        && bytes.last().is_some_and(|c| inner(*c))
}

/// A DNS label.
pub(super) fn label<'a>(field: &str, text: &'a Label) -> Result<&'a str> {
    label_text(field, text.as_str())
}

/// A DNS label that is not typed as one: an object's name.
pub(super) fn label_text<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    if is_label(text) { Ok(text) } else { Err(form(field, text, Label::REMEDY)) }
}

/// A host name, made absolute: with its final dot.
pub(super) fn host(field: &str, text: &HostName) -> Result<String> {
    let bare = text.0.strip_suffix('.').unwrap_or(&text.0);
    if bare.len() <= 252 && bare.split('.').all(is_label) {
        Ok(format!("{bare}."))
    } else {
        Err(form(field, &text.0, HostName::REMEDY))
    }
}

/// A zone's apex.
pub(super) fn zone<'a>(field: &str, text: &'a ZoneApex) -> Result<&'a str> {
    let labels = text.0.strip_suffix('.');
    match labels {
        Some(labels) if text.0.len() <= 200 && labels.split('.').all(is_label) => Ok(text.as_str()),
        _ => Err(form(field, &text.0, ZoneApex::REMEDY)),
    }
}

/// An address.
pub(super) fn ip(field: &str, text: &IpText) -> Result<IpAddr> {
    text.0.parse().map_err(|_| form(field, &text.0, IpText::REMEDY))
}

/// An address with a port.
pub(super) fn socket(field: &str, text: &SocketText) -> Result<SocketAddr> {
    text.0
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.port() != 0)
        .ok_or_else(|| form(field, &text.0, SocketText::REMEDY))
}

/// The parts of a URL.
pub(super) fn url(field: &str, text: &WebUrl) -> Result<WebAddress> {
    // A URL may hold a token, and a refusal is shown in a status.
    web_address(&text.0).ok_or_else(|| form(field, "something that is not repeated here", WebUrl::REMEDY))
}

fn web_address(text: &str) -> Option<WebAddress> {
    const MARKS: &[u8] = b"-._~:/?@!$&()*+,;=%";
    let (tls, rest) = match text.split_once("://")? {
        ("http", rest) => (false, rest),
        ("https", rest) => (true, rest),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let good_path = path.bytes().all(|c| c.is_ascii_alphanumeric() || MARKS.contains(&c));
    // The brackets around an IPv6 address keep its colons apart from the port's.
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().ok()?.to_string(), port.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (authority.to_owned(), None),
        },
    };
    let good_host = host.contains(':') || (host.len() <= 253 && host.split('.').all(is_label));
    let port = match port {
        None => {
            if tls {
                443
            } else {
                80
            }
        }
        Some(port) if port.bytes().all(|c| c.is_ascii_digit()) => {
            port.parse().ok().filter(|port| *port > 0)?
        }
        Some(_) => return None,
    };
    let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    (good_host && good_path && text.len() <= 1024).then_some(WebAddress { tls, host, port, path })
}

/// A duration within bounds.
pub(super) fn duration(field: &str, text: &GoDuration, bounds: RangeInclusive<Duration>) -> Result<Duration> {
    let found = go_duration(&text.0).ok_or_else(|| form(field, &text.0, GoDuration::REMEDY))?;
    if bounds.contains(&found) {
        return Ok(found);
    }
    Err(Invalid::Bounds {
        field: field.to_owned(),
        found: text.0.clone(),
        min: say(*bounds.start()),
        max: say(*bounds.end()),
    })
}

/// A bound, in the largest unit that says it in one number.
fn say(duration: Duration) -> String {
    let ms = duration.as_millis();
    let (unit, unit_ms) = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        .into_iter()
        .find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(*unit_ms))
        .unwrap_or(("ms", 1));
    format!("{}{unit}", ms / unit_ms)
}

/// `1h2m3s4ms`: each unit at most once, largest first, whole numbers of at most nine digits.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    const UNITS_MS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = text;
    let mut units = UNITS_MS.iter();
    let mut sum_ms = 0u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest.bytes().skip(digits).take_while(u8::is_ascii_alphabetic).count();
        if !matches!(digits, 1..=9) {
            return None;
        }
        let unit = rest.get(digits..digits + letters)?;
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        sum_ms += number * unit_ms;
        rest = rest.get(digits + letters..)?;
    }
    (!text.is_empty()).then(|| Duration::from_millis(sum_ms))
}

/// Per cent as hundredths of a per cent.
pub(super) fn basis_points(field: &str, text: &PercentText) -> Result<u32> {
    let wrong = || form(field, &text.0, PercentText::REMEDY);
    let (whole, part) = text.0.split_once('.').unwrap_or((&text.0, "00"));
    let all_digits = [whole, part].iter().all(|text| text.bytes().all(|c| c.is_ascii_digit()));
    if !all_digits || whole.len() != 2 || !matches!(part.len(), 1..=2) {
        return Err(wrong());
    }
    let points: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
    if (5_000..=9_999).contains(&points) { Ok(points) } else { Err(wrong()) }
}

/// One status of HTTP, or a range.
pub(super) fn statuses(field: &str, text: &StatusRange) -> Result<(u16, u16)> {
    let wrong = || form(field, &text.0, StatusRange::REMEDY);
    let one = |text: &str| match text.len() {
        3 => text.parse::<u16>().ok().filter(|status| (100..=599).contains(status)),
        _ => None,
    };
    let (from, to) = text.0.split_once('-').unwrap_or((&text.0, &text.0));
    match (one(from), one(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => Err(wrong()),
    }
}

/// Degrees within `limit` of zero.
pub(super) fn degrees(field: &str, text: &Degrees, limit: i32) -> Result<()> {
    let whole = text.0.trim_start_matches('-').split('.').next().unwrap_or_default();
    let well_formed = text.0.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= f64::from(limit));
    if well_formed && !whole.is_empty() && whole.bytes().all(|c| c.is_ascii_digit()) {
        Ok(())
    } else {
        Err(form(field, &text.0, Degrees::REMEDY))
    }
}

/// A number within bounds, as the domain's type.
pub(super) fn int<T: TryFrom<i64>>(
    field: &str,
    found: impl Into<i64>,
    bounds: RangeInclusive<i64>,
) -> Result<T> {
    let found = found.into();
    let outside = || Invalid::Bounds {
        field: field.to_owned(),
        found: found.to_string(),
        min: bounds.start().to_string(),
        max: bounds.end().to_string(),
    };
    if !bounds.contains(&found) {
        return Err(outside());
    }
    T::try_from(found).map_err(|_| outside())
}

/// No two of the names are the same.
pub(super) fn distinct<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Invalid::Duplicate { field: field.to_owned(), name: name.to_owned() });
        }
    }
    Ok(())
}

/// Milliseconds, shorter to say.
pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Seconds, shorter to say.
pub(super) const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}
