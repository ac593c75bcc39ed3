//! Questions and updates over one TCP connection each.
//!
//! TCP, because a client over UDP repeats what it sent by itself, and a repeated update is one that arrives late.

use std::{io, net::SocketAddr, time::Duration};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

/// Bound of one exchange: connecting, sending and every answer.
pub(super) const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions sent down one connection. 512 of about 80 bytes fill 40 KiB, which is asked and answered in one go.
const QUESTIONS_MAX: u16 = 512;

/// A question.
pub(super) type Question = (Name, RecordType);

/// Why the primary could not be read. A failed read changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No connection, or it broke.
    #[error("cannot read {server}: {source}")]
    Io {
        /// The server.
        server: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{server} did not answer within {} s", EXCHANGE_TIMEOUT.as_secs())]
    Silent {
        /// The server.
        server: SocketAddr,
    },
    /// An answer that is none: undecodable, to another question, or not from the zone's own data.
    #[error("{server} gave no usable answer for {name}: {why}")]
    Unusable {
        /// The server.
        server: SocketAddr,
        /// What was asked.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A name that cannot be asked for.
    #[error("{0} is not a DNS name")]
    BadName(String),
}

/// What became of a message that was to be delivered once.
#[derive(Debug)]
pub(super) enum Exchange {
    /// The server cannot have seen all of it.
    NotSent(String),
    /// It was sent, and no answer came back.
    Lost(String),
    /// The server's answer.
    Answered(Vec<u8>),
}

/// Sends `message` once and waits for one answer.
pub(super) async fn exchange(server: SocketAddr, message: &[u8]) -> Exchange {
    let deadline = Instant::now() + EXCHANGE_TIMEOUT;
    let mut stream = match timeout_at(deadline, TcpStream::connect(server)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Exchange::NotSent(format!("cannot connect to {server}: {error}")),
        Err(_) => return Exchange::NotSent(format!("{server} did not accept a connection in time")),
    };
    // A server acts on whole messages only, so a write that did not end cannot have had an effect.
    match timeout_at(deadline, write_frame(&mut stream, message)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Exchange::NotSent(format!("the connection to {server} broke: {error}")),
        Err(_) => return Exchange::NotSent(format!("{server} did not take the message in time")),
    }
    match timeout_at(deadline, read_frame(&mut stream)).await {
        Ok(Ok(answer)) => Exchange::Answered(answer),
        Ok(Err(error)) => Exchange::Lost(format!("{server} closed before it answered: {error}")),
        Err(_) => Exchange::Lost(format!("{server} did not answer in time")),
    }
}

/// Asks all `questions` and returns the answers in their order.
pub(super) async fn ask(server: SocketAddr, questions: &[Question]) -> Result<Vec<Message>, ReadError> {
    let mut answers = Vec::with_capacity(questions.len());
    for chunk in questions.chunks(usize::from(QUESTIONS_MAX)) {
        let asked = timeout(EXCHANGE_TIMEOUT, ask_chunk(server, chunk)).await;
        answers.extend(asked.map_err(|_| ReadError::Silent { server })??);
    }
    Ok(answers)
}

async fn ask_chunk(server: SocketAddr, questions: &[Question]) -> Result<Vec<Message>, ReadError> {
    let io = |source| ReadError::Io { server, source };
    let unusable = |name: &Name, why: String| ReadError::Unusable { server, name: name.to_string(), why };
    let mut queries = Vec::new();
    for (id, (name, kind)) in (0u16..).zip(questions) {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = false;
        message.add_query(Query::query(name.clone(), *kind));
        queries.push(message.to_vec().map_err(|error| unusable(name, error.to_string()))?);
    }
    let mut stream = TcpStream::connect(server).await.map_err(io)?;
    stream.set_nodelay(true).map_err(io)?;
    let (mut reader, mut writer) = stream.split();
    let send = async {
        for query in &queries {
            write_frame(&mut writer, query).await?;
        }
        Ok(())
    };
    // Both at once: a server that waits for us to read must not be waited for while we write.
    let receive = async {
        let mut frames = Vec::with_capacity(questions.len());
        for _ in questions {
            frames.push(read_frame(&mut reader).await?);
        }
        Ok(frames)
    };
    let ((), frames) = tokio::try_join!(send, receive).map_err(io)?;
    sort_answers(questions, frames).map_err(|(name, why)| unusable(&name, why))
}

/// Puts answers, which may come in any order, behind their questions.
fn sort_answers(questions: &[Question], frames: Vec<Vec<u8>>) -> Result<Vec<Message>, (Name, String)> {
    let mut slots: Vec<Option<Message>> = questions.iter().map(|_| None).collect();
    for frame in frames {
        let message = Message::from_vec(&frame).map_err(|error| (Name::root(), error.to_string()))?;
        let place = usize::from(message.metadata.id);
        let Some(((name, kind), slot)) = questions.get(place).zip(slots.get_mut(place)) else {
            return Err((Name::root(), "an answer to no question".to_owned()));
        };
        usable(&message, name, *kind).map_err(|why| (name.clone(), why))?;
        *slot = Some(message);
    }
    let numbered = slots.into_iter().zip(questions);
    numbered.map(|(slot, (name, _))| slot.ok_or_else(|| (name.clone(), "no answer".into()))).collect()
}

/// An answer counts only if the server speaks for the zone.
fn usable(message: &Message, name: &Name, kind: RecordType) -> Result<(), String> {
    let meta = &message.metadata;
    if meta.message_type != MessageType::Response || meta.truncation {
        return Err("not a whole response".to_owned());
    }
    if !matches!(meta.response_code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(format!("response code {}", meta.response_code));
    }
    if !meta.authoritative {
        return Err("the server does not speak for this zone".to_owned());
    }
    match &message.queries[..] {
        [query] if query.name() == name && query.query_type() == kind => Ok(()),
        _ => Err("an answer to another question".to_owned()),
    }
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a DNS message holds at most 64 KiB"))?;
    let mut frame = Vec::with_capacity(message.len() + 2);
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    stream.write_all(&frame).await
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut frame = vec![0; usize::from(length)];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}
