//! The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says, before the first of them, of whoever has connected to it.
//!
//! Source: `doc/proxy-protocol.txt` of `HAProxy`. A header is taken only where one must be, so there is nothing to guess: what is none is a
//! fault, and what comes behind it is left on the socket, for whoever shakes hands or speaks HTTP next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::acceptor::name;
use super::spaced_lines::SpacedLines;
use crate::clock::Clock;
use crate::telemetry::{Listener, Metrics};

/// How version 1 begins.
const PROXY: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included, in bytes.
const LINE_MAX: usize = 107;
/// How version 2 begins: nothing else that is spoken here does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, and the length of what follows.
const FIXED: usize = 16;
/// The longest header of version 2, in bytes: addresses take 216 of them at most, and what stands behind them is passed over.
const HEADER_MAX: usize = 4096;
/// `PP2_TYPE_CRC32C`.
const CHECKSUM: u8 = 0x03;
/// What is looked at in one go, in bytes; most headers are shorter.
const PIECE: usize = 256;

/// What a header says of who is at the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// A client at this address, unmapped from IPv6.
    Client(IpAddr),
    /// The proxy itself: it looks whether somebody is there.
    Itself,
    /// A client whose address it does not know, or that has none.
    Unknown,
}

/// Why what a connection begins with is no header that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Something else begins there.
    #[error("it begins with something else")]
    Missing,
    /// It ended, or took too long.
    #[error("the connection ended amid the header, or it did not come in time")]
    CutShort,
    /// More than a header may have.
    #[error("the header is longer than it may be")]
    TooLong,
    /// A line of version 1 that is not as it must be.
    #[error("a line of version 1 that cannot be read")]
    Line,
    /// There is no such version, command or family.
    #[error("no version, command or family that there is")]
    Kind,
    /// What it has room for and what it says do not fit together.
    #[error("its length does not fit what it holds")]
    Length,
    /// It was damaged on its way.
    #[error("its checksum is wrong")]
    Checksum,
}

/// Reads a header. `None`: it may be one, and more must come. What it says, and how many of the bytes are the header.
///
/// # Errors
/// Whatever may come, it will be none.
pub fn parse(bytes: &[u8]) -> Result<Option<(Announced, usize)>, HeaderFault> {
    if begins(bytes, &SIGNATURE) {
        return version_2(bytes);
    }
    if begins(bytes, PROXY) { version_1(bytes) } else { Err(HeaderFault::Missing) }
}

/// Whether they are the beginning of one another.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(byte, expected)| byte == expected)
}

/// Section 2.1.
fn version_1(bytes: &[u8]) -> Result<Option<(Announced, usize)>, HeaderFault> {
    let most = bytes.get(..LINE_MAX).unwrap_or(bytes);
    let Some(end) = most.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < LINE_MAX { Ok(None) } else { Err(HeaderFault::TooLong) };
    };
    let line = most.get(PROXY.len()..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(HeaderFault::Line)?;
    let announced = match line.strip_prefix(b"UNKNOWN") {
        // Whatever stands behind it means nothing.
        Some([] | [b' ', ..]) => Announced::Unknown,
        Some(_) => return Err(HeaderFault::Line),
        None => str::from_utf8(line).ok().and_then(far_end).ok_or(HeaderFault::Line)?,
    };
    Ok(Some((announced, end.saturating_add(1))))
}

/// The source of `TCP4 SOURCE DESTINATION PORT PORT`, with one space between two.
fn far_end(line: &str) -> Option<Announced> {
    let mut fields = line.split(' ');
    let mut next = || fields.next();
    let client = match next()? {
        "TCP4" => IpAddr::V4(one_of_two::<Ipv4Addr>(next()?, next()?)?),
        "TCP6" => IpAddr::V6(one_of_two::<Ipv6Addr>(next()?, next()?)?),
        _ => return None,
    };
    let ports = is_port(next()?) && is_port(next()?);
    (ports && next().is_none()).then(|| Announced::Client(client.to_canonical()))
}

/// The first, if both are such addresses.
fn one_of_two<A: FromStr>(source: &str, destination: &str) -> Option<A> {
    destination.parse::<A>().ok()?;
    source.parse().ok()
}

fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    digits && text.parse::<u16>().is_ok()
}

/// Section 2.2.
fn version_2(bytes: &[u8]) -> Result<Option<(Announced, usize)>, HeaderFault> {
    let Some((fixed, _)) = bytes.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., version_and_command, family, high, low] = *fixed;
    let length = FIXED.saturating_add(usize::from(u16::from_be_bytes([high, low])));
    if length > HEADER_MAX {
        return Err(HeaderFault::TooLong);
    }
    let is_client = match version_and_command {
        // Family and addresses of a proxy that speaks for itself mean nothing.
        0x20 => false,
        0x21 => true,
        _ => return Err(HeaderFault::Kind),
    };
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    if !is_client {
        return Ok(Some((Announced::Itself, length)));
    }
    let block = header.get(FIXED..).unwrap_or_default();
    let (announced, rest) = match family {
        0x00 => return Ok(Some((Announced::Unknown, length))),
        0x11 | 0x12 => source::<4>(block, 12)?,
        0x21 | 0x22 => source::<16>(block, 36)?,
        // A socket of the proxy's machine.
        0x31 | 0x32 => (Announced::Unknown, block.get(216..).ok_or(HeaderFault::Length)?),
        _ => return Err(HeaderFault::Kind),
    };
    check(header, rest)?;
    Ok(Some((announced, length)))
}

/// The first address of a block that takes `length` bytes, and what stands behind these.
fn source<const N: usize>(block: &[u8], length: usize) -> Result<(Announced, &[u8]), HeaderFault>
where
    IpAddr: From<[u8; N]>,
{
    let (addresses, rest) = block.split_at_checked(length).ok_or(HeaderFault::Length)?;
    let (source, _) = addresses.split_first_chunk::<N>().ok_or(HeaderFault::Length)?;
    Ok((Announced::Client(IpAddr::from(*source).to_canonical()), rest))
}

/// Goes through what stands behind the addresses, and holds the header against its checksum if there is one.
fn check(header: &[u8], mut rest: &[u8]) -> Result<(), HeaderFault> {
    let mut said = None;
    while !rest.is_empty() {
        let Some(([kind, high, low], behind)) = rest.split_first_chunk::<3>() else { return Err(HeaderFault::Length) };
        let (value, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))).ok_or(HeaderFault::Length)?;
        if *kind == CHECKSUM {
            let value: [u8; 4] = value.try_into().map_err(|_| HeaderFault::Length)?;
            let at = header.len().saturating_sub(behind.len()).saturating_sub(value.len());
            if said.replace((at, value)).is_some() {
                return Err(HeaderFault::Checksum);
            }
        }
        rest = behind;
    }
    let Some((at, said)) = said else { return Ok(()) };
    let zeroed = header.iter().enumerate().map(|(place, byte)| if (at..at.saturating_add(4)).contains(&place) { 0 } else { *byte });
    if crc32c(zeroed) == u32::from_be_bytes(said) { Ok(()) } else { Err(HeaderFault::Checksum) }
}

/// RFC 4960, appendix B. Bit by bit: headers that have it are few and short.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    let shifted = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| shifted(crc)))
}

/// Takes headers off the connections of those who must send them.
pub(crate) struct HeaderReader {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    lines: SpacedLines,
}

/// A header that is being waited for; told and counted if nothing comes of it, also if nobody waits any more.
struct Awaited<'a> {
    reader: &'a HeaderReader,
    peer: IpAddr,
    bytes: Vec<u8>,
    fault: Option<HeaderFault>,
}

impl HeaderReader {
    pub(crate) fn new(clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Self {
        Self { clock: Arc::clone(clock), metrics: Arc::clone(metrics), lines: SpacedLines::default() }
    }

    /// Takes the header off and nothing of what follows; `None`: the connection is to end. Whoever connects and says nothing, as many do
    /// that look whether somebody is there, is not spoken of. `came` hears of bytes that have come. How long it may take is for the
    /// caller to say.
    pub(crate) async fn take(&self, socket: &TcpStream, peer: IpAddr, came: impl Fn(usize)) -> Option<Announced> {
        let mut awaited = Awaited { reader: self, peer, bytes: Vec::new(), fault: Some(HeaderFault::CutShort) };
        // Apart: whoever waits no longer must not find room there that nothing has come into.
        let mut piece = vec![0; PIECE];
        loop {
            let begin = awaited.bytes.len();
            let seen = socket.peek(&mut piece).await.ok()?;
            if seen == 0 {
                return None;
            }
            awaited.bytes.extend_from_slice(piece.get(..seen).unwrap_or_default());
            let header = match parse(&awaited.bytes) {
                Ok(header) => header,
                Err(fault) => {
                    awaited.fault = Some(fault);
                    return None;
                }
            };
            // What has been looked at would keep the socket readable, and the rest of it could not be waited for.
            let end = header.map_or(awaited.bytes.len(), |(_, end)| end);
            came(end.saturating_sub(begin));
            take_off(socket, awaited.bytes.get_mut(begin..end).unwrap_or_default()).await?;
            if let Some((announced, _)) = header {
                awaited.fault = None;
                return Some(announced);
            }
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let Some(fault) = self.fault.filter(|_| !self.bytes.is_empty()) else { return };
        let HeaderReader { clock, metrics, lines } = self.reader;
        metrics.proxy_header_refused();
        if let Some(omitted) = lines.admit(clock.now().monotonic) {
            let (listener, omitted) = (name(Listener::Proxy), (omitted > 0).then_some(omitted));
            tracing::warn!(
                listener,
                peer = %self.peer,
                reason = %fault,
                omitted,
                "a trusted proxy has begun without a sound header of the PROXY protocol, which proxy.client_ip asks it for: closed"
            );
        }
    }
}

/// Takes as many bytes as there is room for, which are there.
async fn take_off(socket: &TcpStream, mut room: &mut [u8]) -> Option<()> {
    while !room.is_empty() {
        socket.readable().await.ok()?;
        match socket.try_read(room) {
            Ok(0) => return None,
            Ok(read) => room = room.get_mut(read..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;

    fn client(address: &str) -> Announced {
        Announced::Client(address.parse().unwrap())
    }

    /// A header of version 2.
    fn binary(version_and_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version_and_command, family, high, low], block].concat()
    }

    const OVER_IPV4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xc8, 0x22, 0x01, 0xbb];

    fn over_ipv6(source: &str) -> Vec<u8> {
        let source: Ipv6Addr = source.parse().unwrap();
        [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0xc8, 0x22, 0x01, 0xbb]].concat()
    }

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind, high, low], value].concat()
    }

    #[test]
    fn a_line_names_a_client_by_its_address_and_nothing_else() {
        for (line, announced) in [
            ("PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\r\n", client("192.0.2.7")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", client("255.255.255.255")),
            ("PROXY TCP6 2001:db8::7 ::1 51234 443\r\n", client("2001:db8::7")),
            ("PROXY TCP6 ::ffff:192.0.2.7 ::1 0 443\r\n", client("192.0.2.7")),
            (
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                client("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ),
            ("PROXY UNKNOWN\r\n", Announced::Unknown),
            ("PROXY UNKNOWN 192.0.2.7 what \u{e9}ver\r\n", Announced::Unknown),
        ] {
            let bytes = [line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&bytes), Ok(Some((announced, line.len()))), "{line:?}");
            for end in 0..line.len() {
                assert_eq!(parse(&bytes[..end]), Ok(None), "{line:?}, as far as {end}");
            }
        }
    }

    #[test]
    fn a_line_that_is_not_as_it_must_be_names_nobody() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.7\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1\n2\r\n",
            "PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 -\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1  2\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 ::1 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            "PROXY TCP6 [::1] ::1 1 2\r\n",
            "PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY UNKNOWN\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(HeaderFault::Line), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(LINE_MAX));
        assert_eq!(parse(&long.as_bytes()[..LINE_MAX - 1]), Ok(None));
        assert_eq!(parse(&long.as_bytes()[..LINE_MAX]), Err(HeaderFault::TooLong));
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_MAX - 16));
        assert_eq!(parse(longest.as_bytes()), Ok(Some((Announced::Unknown, LINE_MAX))));
        for other in ["GET / HTTP/1.1\r\n", "proxy TCP4 ", "PROXYTCP4", "\x16\x03\x01", "PRI * HTTP/2.0", "\r\n\r\n\0\r\nQUIT\r", "\r\nGET"]
        {
            assert_eq!(parse(other.as_bytes()), Err(HeaderFault::Missing), "{other:?}");
        }
    }

    #[test]
    fn a_header_of_version_2_names_a_client_the_proxy_or_nobody() {
        for (header, announced) in [
            (binary(0x21, 0x11, &OVER_IPV4), client("192.0.2.7")),
            (binary(0x21, 0x12, &OVER_IPV4), client("192.0.2.7")),
            (binary(0x21, 0x21, &over_ipv6("2001:db8::7")), client("2001:db8::7")),
            (binary(0x21, 0x22, &over_ipv6("::ffff:192.0.2.7")), client("192.0.2.7")),
            (binary(0x21, 0x31, &[7; 216]), Announced::Unknown),
            (binary(0x21, 0x00, &[]), Announced::Unknown),
            (binary(0x21, 0x00, &[7; 9]), Announced::Unknown),
            (binary(0x20, 0x00, &[]), Announced::Itself),
            (binary(0x20, 0x11, &OVER_IPV4), Announced::Itself),
            (binary(0x20, 0xff, &[7; 300]), Announced::Itself),
            (binary(0x21, 0x11, &[&OVER_IPV4[..], &tlv(0x02, b"example.com"), &tlv(0x04, &[0; 9])].concat()), client("192.0.2.7")),
            (binary(0x21, 0x11, &[&OVER_IPV4[..], &tlv(0xea, &[1; 4000])].concat()), client("192.0.2.7")),
        ] {
            let bytes = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&bytes), Ok(Some((announced, header.len()))), "{header:?}");
            for end in 0..header.len() {
                assert_eq!(parse(&bytes[..end]), Ok(None), "{header:?}, as far as {end}");
            }
        }
    }

    #[test]
    fn a_header_of_version_2_that_does_not_hold_what_it_says_names_nobody() {
        for (header, fault) in [
            (binary(0x11, 0x11, &OVER_IPV4), HeaderFault::Kind),
            (binary(0x31, 0x11, &OVER_IPV4), HeaderFault::Kind),
            (binary(0x22, 0x11, &OVER_IPV4), HeaderFault::Kind),
            (binary(0x21, 0x10, &OVER_IPV4), HeaderFault::Kind),
            (binary(0x21, 0x13, &OVER_IPV4), HeaderFault::Kind),
            (binary(0x21, 0x01, &OVER_IPV4), HeaderFault::Kind),
            (binary(0x21, 0x41, &[7; 300]), HeaderFault::Kind),
            (binary(0x21, 0x11, &OVER_IPV4[..11]), HeaderFault::Length),
            (binary(0x21, 0x21, &OVER_IPV4), HeaderFault::Length),
            (binary(0x21, 0x31, &[7; 215]), HeaderFault::Length),
            (binary(0x21, 0x11, &[&OVER_IPV4[..], &[4]].concat()), HeaderFault::Length),
            (binary(0x21, 0x11, &[&OVER_IPV4[..], &[4, 0, 2, 0]].concat()), HeaderFault::Length),
            (binary(0x21, 0x11, &[&OVER_IPV4[..], &tlv(3, &[0; 3])].concat()), HeaderFault::Length),
            (binary(0x21, 0x11, &[7; HEADER_MAX - FIXED + 1]), HeaderFault::TooLong),
        ] {
            assert_eq!(parse(&header), Err(fault), "{header:?}");
        }
        // It is known from the length that it says.
        assert_eq!(parse(&binary(0x21, 0x11, &[7; HEADER_MAX])[..FIXED]), Err(HeaderFault::TooLong));
    }

    #[test]
    fn a_checksum_holds_for_every_bit_of_the_header() {
        // Of the nine digits, as RFC 3720 and all others give it.
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283);
        let with = |checksum: [u8; 4]| {
            let tlvs = [tlv(0x02, b"example.com"), tlv(CHECKSUM, &checksum), tlv(0x04, &[0; 3])].concat();
            binary(0x21, 0x11, &[&OVER_IPV4[..], &tlvs].concat())
        };
        let sound = with(crc32c(with([0; 4]).into_iter()).to_be_bytes());
        assert_eq!(parse(&sound), Ok(Some((client("192.0.2.7"), sound.len()))));
        // Where it is said that there is one: without, there is nothing to hold the header against.
        let kind = FIXED + OVER_IPV4.len() + tlv(0x02, b"example.com").len();
        for place in (FIXED..sound.len()).filter(|place| *place != kind) {
            for bit in 0..8 {
                let mut damaged = sound.clone();
                damaged[place] ^= 1 << bit;
                assert!(parse(&damaged).is_err(), "bit {bit} of {place}");
            }
        }
        let twice = [tlv(CHECKSUM, &[0; 4]), tlv(CHECKSUM, &[0; 4])].concat();
        assert_eq!(parse(&binary(0x21, 0x11, &[&OVER_IPV4[..], &twice].concat())), Err(HeaderFault::Checksum));
    }

    proptest! {
        #[test]
        fn what_is_a_header_is_one_whatever_follows_and_of_what_is_none_nothing_is_believed(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            begin in prop::sample::select(vec![&b""[..], PROXY, b"PROXY TCP4 ", &SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"]),
        ) {
            let bytes = [begin, &bytes].concat();
            if let Ok(Some((announced, end))) = parse(&bytes) {
                prop_assert_eq!(parse(&bytes[..end]), Ok(Some((announced, end))));
                prop_assert_eq!(parse(&bytes[..end - 1]), Ok(None));
            }
        }
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    fn reader() -> HeaderReader {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        HeaderReader::new(&clock, &Arc::new(Metrics::new()))
    }

    /// What is told of pieces that come one after the other, everything that the next reader gets, and how many were refused.
    async fn taken(pieces: &[&[u8]]) -> (Option<Announced>, Vec<u8>, bool) {
        let ((mut proxy, mut socket), reader) = (pair().await, reader());
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let sent = async {
            for piece in pieces {
                proxy.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            proxy.shutdown().await.unwrap();
        };
        let (announced, ()) = tokio::join!(reader.take(&socket, peer, |_| {}), sent);
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        let refused = reader.metrics.render().contains("claviger_proxy_protocol_errors_total 1");
        (announced, rest, refused)
    }

    #[tokio::test]
    async fn the_header_is_taken_off_and_not_a_byte_more_however_it_comes() {
        let tlvs = [tlv(0x02, b"example.com"), tlv(0xea, &[9; 700])].concat();
        let headers = [b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), binary(0x21, 0x11, &[&OVER_IPV4[..], &tlvs].concat())];
        for header in headers {
            let whole = [&header[..], b"\x16\x03\x01 what follows"].concat();
            let expected = (Some(client("192.0.2.7")), b"\x16\x03\x01 what follows".to_vec(), false);
            assert_eq!(taken(&[&whole]).await, expected);
            assert_eq!(taken(&whole.chunks(1).collect::<Vec<_>>()).await, expected);
            assert_eq!(taken(&whole.chunks(13).collect::<Vec<_>>()).await, expected);
            let (announced, _, refused) = taken(&[&header[..header.len() - 1]]).await;
            assert_eq!((announced, refused), (None, true));
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_spoken_of_and_who_says_something_else_is() {
        assert_eq!(taken(&[]).await, (None, Vec::new(), false));
        let (announced, _, refused) = taken(&[b"GET / HTTP/1.1\r\n\r\n"]).await;
        assert_eq!((announced, refused), (None, true));
        // Nobody waits for it any more.
        let ((mut proxy, socket), reader) = (pair().await, reader());
        proxy.write_all(b"PROXY TCP4").await.unwrap();
        let polls = std::cell::Cell::new(0);
        let mut taking = Box::pin(reader.take(&socket, IpAddr::V4(Ipv4Addr::LOCALHOST), |_| {}));
        let counted = std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            taking.as_mut().poll(cx)
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(300), counted).await.is_err());
        assert!(polls.get() < 10, "asked {} times", polls.get());
        drop(taking);
        assert!(reader.metrics.render().contains("claviger_proxy_protocol_errors_total 1"));
    }
}
