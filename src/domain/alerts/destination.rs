//! Destinations: where a webhook may call, by the name in its URL and by the address that the name leads to.
//!
//! Both must be allowed. The name keeps people from pointing a webhook anywhere; the address keeps whoever rules a name from
//! pointing it into the plant's own network. Nothing here resolves or connects.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Characters of a URL, at most.
pub const URL_MAX: usize = 2_000;
/// Entries of the list, at most.
pub const ALLOWED_MAX: usize = 1_000;

/// A URL taken apart: no user, no fragment, always with a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// A name in lower case, or an address without brackets.
    pub host: String,
    /// As given, or that of the scheme.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub target: String,
}

impl Destination {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with its name.
    ///
    /// ```
    /// use andon::domain::alerts::destination::Destination;
    /// let it = Destination::parse("https://Hooks.example.com/a?b=c").expect("a destination");
    /// assert_eq!((it.host.as_str(), it.port, it.target.as_str()), ("hooks.example.com", 443, "/a?b=c"));
    /// assert!(Destination::parse("https://user:password@example.com/").is_err());
    /// ```
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.len() > URL_MAX {
            return Err(format!("has {} characters; at most {URL_MAX} are allowed", url.len()));
        }
        if !url.bytes().all(|b| b.is_ascii_graphic()) || url.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}']) {
            return Err("must hold only the characters of a URL; others are written as %XX".into());
        }
        let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err("must begin with https:// or http://".into()),
        };
        if rest.contains('#') {
            return Err("must not have a fragment (#)".into());
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err("must not hold a user or password".into());
        }
        let (host, port) = split_port(authority)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(literal) => literal.parse::<Ipv6Addr>().map_err(|_| "has no valid address in brackets")?.to_string(),
            None if is_name(host) => host.to_ascii_lowercase(),
            None => return Err("must name a host".into()),
        };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { secure, host, port: port.unwrap_or(default_port(secure)), target })
    }

    /// The host as an address, when it is one.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Host and port as a `Host` header has them: the port only where it is not that of the scheme.
    #[must_use]
    pub fn host_header(&self) -> String {
        let host = bracketed(&self.host);
        if self.port == default_port(self.secure) { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Destination {
    /// Host and port: what a destination is known by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// Host (with its brackets) and port.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => return Ok((authority, None)),
    };
    let number = port.parse().ok().filter(|number| *number > 0 && port.bytes().all(|b| b.is_ascii_digit()));
    number.map(|number| (host, Some(number))).ok_or_else(|| "has a port that is not a number from 1 to 65535".into())
}

/// A DNS name, or an IPv4 address.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// What one entry of the list names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// A host by name, in lower case.
    Name(String),
    /// An address, or all that begin with so many of its bits.
    Network(IpAddr, u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    named: Named,
    /// `None`: in a URL the port of its scheme; of an address that a name leads to any.
    port: Option<u16>,
}

/// The destinations that webhooks may call. Empty: none, webhooks are off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<Entry>,
    http: bool,
}

impl AllowList {
    /// From entries like `hooks.example.com`, `erp.plant:8443`, `10.1.2.3:8080`, `[fd00::1]:8080`, `10.1.0.0/16`; `http` says
    /// whether plain text is allowed.
    ///
    /// # Errors
    /// The entry that cannot be read, and why.
    pub fn parse(entries: &[String], http: bool) -> Result<Self, String> {
        if entries.len() > ALLOWED_MAX {
            return Err(format!("has {} entries; at most {ALLOWED_MAX} are allowed", entries.len()));
        }
        let read = |text: &String| entry(text).map_err(|why| format!("has '{text}', which {why}"));
        Ok(Self { entries: entries.iter().map(read).collect::<Result<_, _>>()?, http })
    }

    /// Whether nothing may be called.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a URL may be called, as far as it tells.
    ///
    /// # Errors
    /// Why it may not, as the end of a sentence that begins with its name.
    pub fn check(&self, to: &Destination) -> Result<(), String> {
        if self.is_empty() {
            return Err("cannot be called: webhooks are off, since webhooks.allow is empty in the configuration".into());
        }
        if !to.secure && !self.http {
            return Err("must begin with https://: webhooks.allow_http is false in the configuration".into());
        }
        let port = |entry: &Entry| entry.port.unwrap_or(default_port(to.secure)) == to.port;
        let host = |entry: &Entry| match (&entry.named, to.literal()) {
            (Named::Name(name), None) => *name == to.host,
            (Named::Network(network, bits), Some(address)) => within(address, *network, *bits),
            _ => false,
        };
        if self.entries.iter().any(|entry| port(entry) && host(entry)) {
            return Ok(());
        }
        Err(format!("leads to {to}, which webhooks.allow in the configuration does not list"))
    }

    /// Whether an address that a name led to, or that a URL names, may be connected to: a public one always, any other one only
    /// when it is listed itself.
    ///
    /// # Errors
    /// What kind of address it is.
    pub fn permits(&self, address: SocketAddr) -> Result<(), &'static str> {
        let Some(kind) = special(address.ip()) else { return Ok(()) };
        let listed = |entry: &Entry| {
            entry.port.is_none_or(|port| port == address.port())
                && matches!(entry.named, Named::Network(network, bits) if within(address.ip(), network, bits))
        };
        if self.entries.iter().any(listed) { Ok(()) } else { Err(kind) }
    }
}

fn entry(text: &str) -> Result<Entry, String> {
    if let Some((network, bits)) = text.split_once('/') {
        let network: IpAddr = network.trim_matches(['[', ']']).parse().map_err(|_| "is no network")?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most).ok_or("has a wrong number of bits")?;
        return Ok(Entry { named: Named::Network(network, bits), port: None });
    }
    // An IPv6 address may stand without brackets when it has no port.
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Entry { named: Named::Network(address, if address.is_ipv4() { 32 } else { 128 }), port: None });
    }
    let (host, port) = split_port(text)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let named = match bare.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) => Named::Network(address, if address.is_ipv4() { 32 } else { 128 }),
        Err(_) if bare.is_none() && is_name(host) => Named::Name(host.to_ascii_lowercase()),
        Err(_) => return Err("is neither a host nor an address".into()),
    };
    Ok(Entry { named, port })
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    let shift = width - u32::from(bits);
    // With no bits at all every address is within.
    address.checked_shr(shift) == network.checked_shr(shift)
}

/// What an address is when it is not a public one of a single machine.
///
/// # Source
/// The special-purpose address registries of IANA (RFC 6890 and what came after it).
#[must_use]
pub fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => Some("an unspecified address"),
        (127, ..) => Some("a loopback address"),
        (169, 254, _) => Some("a link-local address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (100, 64..=127, _) => Some("an address shared by a provider"),
        (224..=239, ..) => Some("a multicast address"),
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) | (240..=255, ..) => {
            Some("a reserved address")
        }
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let parts = address.segments();
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some("an IPv4 address written as IPv6"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        // Ways to wrap an IPv4 address: Teredo, 6to4; and what is for documents.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => Some("a reserved address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        let entries: Vec<String> = entries.iter().map(|it| (*it).to_owned()).collect();
        AllowList::parse(&entries, true).expect("entries that can be read")
    }

    fn to(url: &str) -> Destination {
        Destination::parse(url).expect("a URL")
    }

    #[test]
    fn a_url_is_taken_apart_or_refused() {
        let it = to("http://[FD00::1]:8080?a=b");
        assert_eq!((it.host.as_str(), it.port, it.target.as_str()), ("fd00::1", 8080, "/?a=b"));
        assert_eq!((it.to_string(), it.host_header()), ("[fd00::1]:8080".into(), "[fd00::1]:8080".into()));
        assert_eq!(to("https://a.example:443/x").host_header(), "a.example");
        for bad in [
            "",
            "ftp://a.example/",
            "https://",
            "https:///x",
            "https://a.example:0/",
            "https://a.example:+1/",
            "https://a.example:65536/",
            "https://a@b.example/",
            "https://a.example\\@b.example/",
            "https://a.example/#x",
            "https://a.example/ä",
            "https://a b.example/",
            "https://[::1/",
            "https://::1/",
            "https://a..example/",
            "https://a.example./",
            "https://a.example/\r\nX: y",
            &format!("https://a.example/{}", "x".repeat(URL_MAX)),
        ] {
            assert!(Destination::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_is_listed_may_be_called() {
        let allow = list(&["Hooks.example.com", "erp.plant:8443", "10.1.2.3:8080", "10.2.0.0/16", "fd00::1"]);
        for good in [
            "https://hooks.example.com/",
            "http://hooks.example.com/",
            "https://erp.plant:8443/",
            "https://10.1.2.3:8080/",
            "https://10.2.255.255/",
            "https://[fd00::1]/",
        ] {
            assert_eq!(allow.check(&to(good)), Ok(()), "{good}");
        }
        for bad in [
            "https://hooks.example.com:444/",
            "https://x.hooks.example.com/",
            "https://hooks.example.com.evil.example/",
            "https://erp.plant/",
            "https://10.1.2.3/",
            "https://10.3.0.0/",
            "https://[fd00::2]/",
        ] {
            assert!(allow.check(&to(bad)).is_err(), "{bad}");
        }
        assert!(AllowList::default().check(&to("https://hooks.example.com/")).expect_err("off").contains("off"));
        let secure = AllowList::parse(&["a.example".to_owned()], false).expect("an entry");
        assert!(secure.check(&to("http://a.example/")).is_err() && secure.check(&to("https://a.example/")).is_ok());
        for bad in ["", "a b", "a.example:x", "10.0.0.0/33", "x/8", "[::1", "https://a.example"] {
            assert!(AllowList::parse(&[bad.to_owned()], true).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_may_lead_to_public_addresses_and_to_what_is_listed_itself() {
        let permits = |allow: &AllowList, ip: &str| {
            let ip: IpAddr = ip.parse().unwrap_or_else(|error| panic!("{ip}: {error}"));
            allow.permits(SocketAddr::new(ip, 443)).is_ok()
        };
        let names = list(&["hooks.example.com"]);
        for public in ["8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "2606:4700::1"] {
            assert!(permits(&names, public), "{public}");
        }
        let inside = [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "192.0.2.1",
            "198.19.0.1",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fdff::1",
            "ff02::1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::808:808",
            "2001::1",
            "2002:808:808::1",
            "2001:db8::1",
        ];
        for ip in inside {
            assert!(!permits(&names, ip), "{ip}");
            assert!(permits(&list(&[ip]), ip), "{ip} is listed itself");
        }
        assert!(permits(&list(&["10.0.0.0/8"]), "10.9.9.9") && !permits(&list(&["10.0.0.0/8"]), "192.168.0.1"));
        assert!(permits(&list(&["10.0.0.1:443"]), "10.0.0.1") && !permits(&list(&["10.0.0.1:444"]), "10.0.0.1"));
        assert!(permits(&list(&["0.0.0.0/0"]), "127.0.0.1") && !permits(&list(&["0.0.0.0/0"]), "::1"));
    }
}
