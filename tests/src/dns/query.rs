//! Asks one server one question, with no cache and no second server behind it.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, Record, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// On loopback an answer takes a millisecond; a dead server is not worth more.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// The largest answer a DNS message over UDP can carry.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What a server said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `NoError`, `NXDomain`, `Refused`, ...
    pub code: ResponseCode,
    /// Whether it spoke for the zone.
    pub authoritative: bool,
    /// The records of the answer section, a CNAME's target included.
    pub records: Vec<Record>,
}

impl Answer {
    /// The data of the records of one type in zone-file form, sorted.
    pub fn data(&self, kind: RecordType) -> Vec<String> {
        let mut data: Vec<String> =
            self.records.iter().filter(|r| r.record_type() == kind).map(|r| r.data.to_string()).collect();
        data.sort();
        data
    }
}

/// Asks over UDP, and again over TCP if the answer was cut.
pub async fn ask(server: SocketAddr, name: &str, kind: RecordType) -> anyhow::Result<Answer> {
    let mut query = Message::query();
    let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.')))?;
    query.add_query(Query::query(name.clone(), kind));
    let bytes = query.to_vec()?;
    let asked = || format!("ask {server} for {name} {kind}");
    let mut answer =
        timeout(ANSWER_WITHIN, over_udp(server, &bytes)).await.with_context(asked)?.with_context(asked)?;
    if answer.metadata.truncation {
        answer = timeout(ANSWER_WITHIN, over_tcp(server, &bytes))
            .await
            .with_context(asked)?
            .with_context(asked)?;
    }
    ensure!(answer.metadata.id == query.metadata.id, "{server} answered another question");
    Ok(Answer {
        code: answer.metadata.response_code,
        authoritative: answer.metadata.authoritative,
        records: answer.answers,
    })
}

async fn over_udp(server: SocketAddr, query: &[u8]) -> anyhow::Result<Message> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let length = socket.recv(&mut buffer).await?;
    Ok(Message::from_vec(&buffer[..length])?)
}

async fn over_tcp(server: SocketAddr, query: &[u8]) -> anyhow::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_u16(u16::try_from(query.len())?).await?;
    stream.write_all(query).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    Ok(Message::from_vec(&buffer)?)
}
