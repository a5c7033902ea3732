//! Time that passes at a Redis: what it would have removed meanwhile is removed, and the rest is kept for as much less.

use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_store::Timestamp;
use cloakroom_tests::addresses;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Ages all keys with this prefix, and the entries of its indexes, which go by the time `now`. Returns how many it has removed.
pub(crate) async fn age(name: &str, url: &str, prefix: &str, by: Duration, now: Timestamp) -> usize {
    let mut removed = 0;
    for node in nodes(name, url).await {
        let time = now.as_millis().to_string();
        let by = by.as_millis().to_string();
        let reply = tell(node, &["EVAL", AGE, "0", prefix, &by, &time]).await;
        let number = reply.strip_prefix(':').and_then(|rest| rest.lines().next());
        removed += number.unwrap_or_else(|| panic!("{reply}")).parse::<usize>().unwrap();
    }
    removed
}

/// An entry of an index is removed ten minutes after its end, by the next that is entered.
const AGE: &str = "
    local removed = 0
    for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
      local left = redis.call('PTTL', key) - ARGV[2]
      if redis.call('TYPE', key).ok == 'zset' then
        local over = string.format('(%.0f', ARGV[3] + ARGV[2] - 600000)
        removed = removed + redis.call('ZREMRANGEBYSCORE', key, '-inf', over)
      end
      if left > 0 then
        redis.call('PEXPIRE', key, string.format('%.0f', left))
      else
        removed = removed + redis.call('DEL', key)
      end
    end
    return removed";

/// Where the keys are.
async fn nodes(name: &str, url: &str) -> Vec<SocketAddr> {
    let addresses = addresses(url);
    if name != "redis_sentinel" {
        return addresses;
    }
    let reply = tell(addresses[0], &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "cloakroom"]).await;
    let words: Vec<_> = reply.lines().filter(|line| !line.starts_with(['*', '$', '+'])).collect();
    vec![format!("{}:{}", words[0], words[1]).parse().unwrap()]
}

/// Sends a command, and returns its reply: one line, or two words.
async fn tell(node: SocketAddr, command: &[&str]) -> String {
    let mut bytes = format!("*{}\r\n", command.len());
    for word in command {
        bytes += &format!("${}\r\n{word}\r\n", word.len());
    }
    let mut stream = BufReader::new(TcpStream::connect(node).await.unwrap());
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_line(&mut reply).await.unwrap();
    if reply.starts_with("*2") {
        // Each of two words, and its length before it.
        for _ in 0..4 {
            stream.read_line(&mut reply).await.unwrap();
        }
    }
    assert!(!reply.starts_with('-'), "{command:?}: {reply}");
    reply
}
